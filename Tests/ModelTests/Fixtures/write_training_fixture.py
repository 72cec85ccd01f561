#!/usr/bin/env python3
"""Write training.h5: steps of PyTorch's optimizers and schedules, and its losses, for the tests to compare with.

    python3 -m venv .venv && .venv/bin/pip install torch numpy h5py
    .venv/bin/python write_training_fixture.py [--output FOLDER]

Every number is computed in float64 from inputs that float32 represents exactly, and rounded to float32 only when it is stored.
"""
import argparse
import pathlib

import h5py
import numpy
import torch
import torch.nn.functional as F

SEED = 20150518
STEPS, COUNT = 6, 37


def representable(values):
    return torch.from_numpy(numpy.asarray(values, dtype=numpy.float32).astype(numpy.float64))


def store(group, name, values):
    group.create_dataset(name, data=values.detach().numpy().astype(numpy.float32))


class KerasAdam(torch.optim.Optimizer):
    """Adam as Keras 3 computes it (keras/src/optimizers/adam.py): epsilon beside the uncorrected root."""

    def __init__(self, parameters, lr, betas=(0.9, 0.999), eps=1e-7):
        super().__init__(parameters, dict(lr=lr, betas=betas, eps=eps))

    def step(self):
        for group in self.param_groups:
            for w in group["params"]:
                state = self.state[w]
                state.setdefault("t", 0), state.setdefault("m", torch.zeros_like(w)), state.setdefault("v", torch.zeros_like(w))
                state["t"] += 1
                beta1, beta2 = group["betas"]
                alpha = group["lr"] * (1 - beta2 ** state["t"]) ** 0.5 / (1 - beta1 ** state["t"])
                state["m"] += (w.grad - state["m"]) * (1 - beta1)
                state["v"] += (w.grad**2 - state["v"]) * (1 - beta2)
                with torch.no_grad():
                    w -= state["m"] * alpha / (state["v"].sqrt() + group["eps"])


# Name in the file: the optimizer, and the norm that gradients are clipped to.
OPTIMIZERS = {
    "adam": (lambda p: torch.optim.Adam(p, lr=1e-2, betas=(0.8, 0.99), eps=1e-4), None),
    "adam-decay": (lambda p: torch.optim.Adam(p, lr=1e-2, weight_decay=0.1), None),
    "adam-keras": (lambda p: KerasAdam(p, lr=1e-2, eps=1e-4), None),
    "adam-clipped": (lambda p: torch.optim.Adam(p, lr=1e-2, eps=1e-4), 1.5),
    "adamw": (lambda p: torch.optim.AdamW(p, lr=1e-2, weight_decay=0.1), None),
    "sgd": (lambda p: torch.optim.SGD(p, lr=1e-2, momentum=0.99), None),
    "sgd-decay": (lambda p: torch.optim.SGD(p, lr=1e-2, momentum=0.9, weight_decay=0.1), None),
    "sgd-nesterov": (lambda p: torch.optim.SGD(p, lr=1e-2, momentum=0.9, nesterov=True), None),
    "sgd-clipped": (lambda p: torch.optim.SGD(p, lr=1e-2, momentum=0.9), 1.5),
}


def write_optimizers(file, generator):
    start = representable(generator.normal(0, 0.5, COUNT))
    gradients = generator.normal(0, 1, (STEPS, COUNT)) * 10.0 ** generator.uniform(-5, 0.5, COUNT)
    gradients[:, 0] = 0
    gradients = representable(gradients)
    store(file, "start", start)
    store(file, "gradients", gradients)
    for name, (make, clip) in OPTIMIZERS.items():
        w = start.clone().requires_grad_()
        optimizer, history = make([w]), []
        for gradient in gradients:
            w.grad = gradient.clone()
            if clip:
                torch.nn.utils.clip_grad_norm_([w], clip)
            optimizer.step()
            history.append(w.detach().clone())
        store(file, name, torch.stack(history))


def write_schedules(file):
    """The rates of the first 20 steps; the file's float64."""
    for name, make in {
        "step": lambda o: torch.optim.lr_scheduler.StepLR(o, step_size=4, gamma=0.3),
        "cosine": lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, T_max=25, eta_min=1e-3),
        "polynomial": lambda o: torch.optim.lr_scheduler.PolynomialLR(o, total_iters=15, power=0.9),
    }.items():
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
        schedule, rates = make(optimizer), []
        for _ in range(20):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            schedule.step()
        file.create_dataset(name, data=numpy.array(rates, dtype=numpy.float64))


def balanced(labels, classes):
    """A weight for each pixel: the inverse frequency of its class in its sample, of mean 1 over the sample's pixels."""
    weights = torch.zeros(labels.shape, dtype=torch.float64)
    for sample, label in zip(weights, labels):
        counts = torch.bincount(label.flatten(), minlength=classes)
        for c in range(classes):
            sample[label == c] = label.numel() / ((counts > 0).sum() * max(int(counts[c]), 1)).double()
    return weights


def dice(probabilities, truth):
    """1 - the mean soft Dice coefficient of the channels, for each sample; smoothed by 1."""
    both, total = (probabilities * truth).sum((2, 3)), (probabilities + truth).sum((2, 3))
    return (1 - (2 * both + 1) / (total + 1)).mean(1).mean()


def write_losses(file, generator, batch=2, height=5, width=7):
    for name, channels in (("binary", 1), ("classes", 3)):
        group = file.create_group(name)
        classes = max(2, channels)
        logits = representable(generator.normal(0, 2, (batch, channels, height, width)))
        labels = torch.from_numpy(generator.choice(classes, (batch, height, width), p=[0.7, 0.3] if classes == 2 else [0.6, 0.3, 0.1]))
        places = representable(generator.uniform(0, 5, (batch, height, width)))
        for key, value in (("logits", logits), ("labels", labels), ("weights", places)):
            store(group, key, value)
        truth = F.one_hot(labels, classes).permute(0, 3, 1, 2).double()
        if channels == 1:
            truth = truth[:, 1:]

        def cross_entropy(z):
            if channels == 1:
                return F.binary_cross_entropy_with_logits(z, truth, reduction="none")[:, 0]
            return F.cross_entropy(z, labels, reduction="none")

        def focal(z):
            """torchvision's sigmoid_focal_loss with alpha 0.25 and gamma 2; without alpha for several classes."""
            entropy = cross_entropy(z)
            alpha = 0.25 * truth[:, 0] + 0.75 * (1 - truth[:, 0]) if channels == 1 else 1
            return (alpha * (1 - torch.exp(-entropy)) ** 2 * entropy).mean()

        probabilities = torch.sigmoid if channels == 1 else lambda z: torch.softmax(z, 1)
        plain = "bce" if channels == 1 else "cross-entropy"
        for key, loss in {
            plain: lambda z: cross_entropy(z).mean(),
            f"weighted-{plain}": lambda z: (balanced(labels, classes) * cross_entropy(z)).mean(),
            "border": lambda z: ((1 + places) * cross_entropy(z)).mean(),
            "dice": lambda z: dice(probabilities(z), truth),
            f"{plain}-dice": lambda z: cross_entropy(z).mean() + dice(probabilities(z), truth),
            "focal": focal,
        }.items():
            z = logits.clone().requires_grad_()
            value = loss(z)
            value.backward()
            group.create_dataset(f"{key}/value", data=numpy.array([value.item()]))
            store(group, f"{key}/gradient", z.grad)


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--output", type=pathlib.Path, default=pathlib.Path(__file__).parent, help="folder to write into")
    path = options.parse_args().output / "training.h5"
    torch.set_num_threads(1)
    generator = numpy.random.default_rng(SEED)
    with h5py.File(path, "w", libver="earliest", track_order=False) as file:
        file.attrs["torch"] = numpy.bytes_(str(torch.__version__))
        write_optimizers(file.create_group("optimizers"), generator)
        write_schedules(file.create_group("schedules"))
        write_losses(file.create_group("losses"), generator)
    print(f"{path.name}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
