#!/usr/bin/env python3
"""Write architectures.h5: small networks of every decoder, normalisation and architecture, as PyTorch computes them.

    .venv/bin/python write_architecture_fixture.py [--output FOLDER]

Made as write_pytorch_fixture.py says, whose functions are used: in float64 from numbers that float32 holds, checked against PyTorch's own
float32, and with seeds tried until disturbances of the parameters leave ten Adam steps alone. One group each:

    parameters/<layer>.weight, .bias    convolutions OIHW, also transposed ones (PyTorch has the inputs first)
    input, target, logits, loss, gradients/<parameter>, adam_losses
    after/<layer>.running_mean, .running_variance    batch normalisation: the running statistics after the ten steps, which begin with 0 and 1
    inference                           logits with these statistics and the parameters after the ten steps
"""
import argparse
import pathlib

import numpy
import torch
import torch.nn.functional as F
from write_pytorch_fixture import (
    ADAM, DISTURBANCE, FIRST_SEED, LARGEST_CHANGE, create, leaf, representable, require_agreement, store, upsample,
)

BASE, DEPTH, SIZE, BATCH = 8, 1, 16, 3
CASES = {
    "transpose": dict(decoder="transpose"),
    "group": dict(norm="group"),
    "instance": dict(norm="instance"),
    "batch": dict(norm="batch", decoder="transpose"),
    "unet-residual": dict(architecture="unet-residual"),
    "unet-residual-batch": dict(architecture="unet-residual", norm="batch"),
    "attention-unet": dict(architecture="attention-unet"),
    "attention-unet-group": dict(architecture="attention-unet", norm="group"),
    "unet-plus-plus": dict(architecture="unet-plus-plus"),
    "unet-valid": dict(architecture="unet-valid", size=22),
}


class Network:
    """One pass. `parameters` is filled with random ones where it lacks them; `running` holds the statistics of batch normalisation."""

    def __init__(self, parameters, running, training, generator=None, architecture="unet", decoder="upsample", norm="none", size=SIZE):
        self.parameters, self.running, self.training, self.generator = parameters, running, training, generator
        self.architecture, self.decoder, self.norm = architecture, decoder, norm
        self.padding = "valid" if architecture == "unet-valid" else "same"

    def parameter(self, name, *shape):
        if name not in self.parameters:
            if name.endswith("_norm.weight"):
                values = 1 + 0.2 * self.generator.normal(0, 1, shape)
            elif len(shape) == 1:
                values = 0.3 * self.generator.normal(0, 1, shape)
            else:
                values = self.generator.normal(0, (2 / numpy.prod(shape[1:])) ** 0.5, shape)
            self.parameters[name] = representable(values)
        return self.parameters[name]

    def convolution(self, x, name, channels, size=3, relu=True, norm=True):
        normalizes = norm and self.norm != "none"
        weight = self.parameter(f"{name}.weight", channels, x.shape[1], size, size)
        bias = None if normalizes else self.parameter(f"{name}.bias", channels)
        x = F.conv2d(x, weight, bias, padding=(size - 1) // 2 if self.padding == "same" else 0)
        return self.finish(x, name, normalizes, relu)

    def finish(self, x, name, normalizes, relu):
        if normalizes:
            channels, name = x.shape[1], f"{name}_norm"
            weight, bias = self.parameter(f"{name}.weight", channels), self.parameter(f"{name}.bias", channels)
            if self.norm == "group":
                x = F.group_norm(x, 8 if channels >= 16 and channels % 8 == 0 else 1, weight, bias)
            elif self.norm == "instance":
                x = F.instance_norm(x, weight=weight, bias=bias)
            else:
                mean, variance = self.running.setdefault(name, (torch.zeros(channels).to(x), torch.ones(channels).to(x)))
                x = F.batch_norm(x, mean, variance, weight, bias, training=self.training)
        return F.relu(x) if relu else x

    def enlargement(self, x, name, channels):
        weight = self.parameter(f"{name}.weight", channels, x.shape[1], 2, 2)
        bias = None if self.norm != "none" else self.parameter(f"{name}.bias", channels)
        if self.decoder == "upsample":
            x = F.conv2d(upsample(x), weight, bias)
        else:
            x = F.conv_transpose2d(x, weight.transpose(0, 1), bias, stride=2)
        return self.finish(x, name, self.norm != "none", True)

    def block(self, x, channels, number, separator=""):
        a = self.convolution(x, f"conv{number}a", channels)
        if self.architecture != "unet-residual":
            return self.convolution(a, f"conv{number}b", channels)
        b = self.convolution(a, f"conv{number}b", channels, relu=False)
        return F.relu(b + self.convolution(x, f"shortcut{number}", channels, size=1, relu=False))

    def skip(self, across, enlarged, channels, number):
        if self.architecture == "attention-unet":
            projections = [
                self.convolution(node, f"{name}{number}", channels // 2, size=1, relu=False)
                for name, node in (("skip", across), ("gating", enlarged))
            ]
            psi = self.convolution(F.relu(projections[0] + projections[1]), f"psi{number}", 1, size=1, relu=False, norm=False)
            return across * torch.sigmoid(psi)
        if self.architecture == "unet-valid":
            border = (across.shape[2] - enlarged.shape[2]) // 2
            return across[:, :, border:-border, border:-border]
        return across

    def level(self, x, number):
        channels, up = BASE << (number - 1), 2 * DEPTH + 2 - number
        across = self.block(x, channels, number)
        if number > DEPTH:
            return across
        enlarged = self.enlargement(self.level(F.max_pool2d(across, 2), number + 1), f"up{up}", channels)
        return self.block(torch.cat([self.skip(across, enlarged, channels, up), enlarged], 1), channels, up)

    def plus_plus(self, image, depth=2):
        nodes = []
        for level in range(depth + 1):
            x = F.max_pool2d(nodes[-1][0], 2) if nodes else image
            nodes.append([self.block(x, BASE << level, f"{level}_0")])
            for column in range(1, level + 1):
                target = level - column
                enlarged = self.enlargement(nodes[target + 1][column - 1], f"up{target}_{column}", BASE << target)
                nodes[target].append(self.block(torch.cat(nodes[target] + [enlarged], 1), BASE << target, f"{target}_{column}"))
        return nodes[0][depth]

    def __call__(self, image):
        features = self.plus_plus(image) if self.architecture == "unet-plus-plus" else self.level(image, 1)
        return self.convolution(features, "head", 1, size=1, relu=False, norm=False)


def evaluate(case, parameters, image, target, precision):
    parameters = {name: leaf(value, precision) for name, value in parameters.items()}
    logits = Network(parameters, {}, True, **case)(image.to(precision))
    loss = F.binary_cross_entropy_with_logits(logits, target.to(precision))
    loss.backward()
    return logits.detach(), loss.item(), {name: value.grad for name, value in parameters.items()}


def train(case, parameters, image, target, precision, steps=10):
    """The losses of ten steps, and what the network says afterwards with its running statistics."""
    parameters, running = {name: leaf(value, precision) for name, value in parameters.items()}, {}
    optimizer = torch.optim.Adam(parameters.values(), **ADAM)
    losses = []
    for _ in range(steps):
        loss = F.binary_cross_entropy_with_logits(Network(parameters, running, True, **case)(image.to(precision)), target.to(precision))
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        inference = Network(parameters, running, False, **case)(image.to(precision))
    return torch.tensor(losses, dtype=torch.float64), running, inference


def steady(name, case):
    """The first seed whose float32 agrees with its float64, and whose ten losses small disturbances leave alone."""
    size = case.get("size", SIZE)
    for seed in range(FIRST_SEED, FIRST_SEED + 200):
        generator = numpy.random.default_rng(seed)
        image = representable(generator.normal(0, 1, (BATCH, 1, size, size)))
        parameters = {}
        with torch.no_grad():
            logits = Network(parameters, {}, True, generator, **case)(image)
        target = torch.from_numpy((generator.uniform(0, 1, tuple(logits.shape)) < 0.6).astype(numpy.float64))
        losses, _, _ = train(case, parameters, image, target, torch.float64)
        try:
            truth, single = (evaluate(case, parameters, image, target, p) for p in (torch.float64, torch.float32))
            for gradient in truth[2]:
                require_agreement(gradient, single[2][gradient], truth[2][gradient], tolerance=3e-6)
        except AssertionError:
            continue
        worst = 0
        for _ in range(6):
            disturbed = {
                key: value * (1 + DISTURBANCE * torch.from_numpy(generator.normal(0, 1, tuple(value.shape))))
                for key, value in parameters.items()
            }
            worst = max(worst, float((train(case, disturbed, image, target, torch.float64)[0] / losses - 1).abs().max()))
        if worst <= LARGEST_CHANGE:
            print(f"{name}: seed {seed}, {sum(p.numel() for p in parameters.values())} parameters, losses moved by {worst:.1e} at most")
            return seed, image, target, parameters
    raise RuntimeError(f"{name}: no seed found")


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--output", type=pathlib.Path, default=pathlib.Path(__file__).parent)
    folder = options.parse_args().output
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    with create(folder / "architectures.h5", "small networks, dropout off; all tensors NCHW, weights OIHW", FIRST_SEED) as file:
        for name, case in CASES.items():
            seed, image, target, parameters = steady(name, case)
            group = file.create_group(name)
            logits, loss, gradients = evaluate(case, parameters, image, target, torch.float64)
            losses, running, inference = train(case, parameters, image, target, torch.float64)
            store(group, "input", image)
            store(group, "target", target)
            for key, value in parameters.items():
                store(group, f"parameters/{key}", value)
                store(group, f"gradients/{key}", gradients[key])
            store(group, "logits", logits)
            store(group, "loss", loss, numpy.float64)
            store(group, "adam_losses", losses, numpy.float64)
            for key, (mean, variance) in running.items():
                store(group, f"after/{key}.running_mean", mean)
                store(group, f"after/{key}.running_variance", variance)
            store(group, "inference", inference)


if __name__ == "__main__":
    main()
