#!/usr/bin/env python3
"""Write the tensors that the tests compare with PyTorch: unet-keras-base4.h5, unet-base4.h5 and layers.h5.

    python3 -m venv .venv && .venv/bin/pip install torch numpy h5py
    .venv/bin/python write_pytorch_fixture.py [--output FOLDER]

What is inside each file is told in README.md beside this script. Every number is computed in float64 from inputs and
parameters that float32 represents exactly, and is rounded to float32 only when it is stored: the files hold the truth, and an
error measured against them is the tested program's own. The script also runs everything in PyTorch's float32 and stops
when that disagrees by more than 1e-5 of a tensor's norm.

A ReLU or a max-pool turns a rounding error into a jump when a value sits next to its kink. One such value among 300,000 spoils
a comparison of gradients to 1e-4, and Adam, which takes steps of the same size along small gradients as along large ones, makes a
different training of it within ten steps. So the parameters are not merely random:

- Layer after layer, every bias is put into the widest gap nearby between the channel's values, so that none is close to zero,
  and a channel whose pooling windows nearly tie is drawn again.
- Most units are active (about nine in ten, two in three in the Keras head), so that few come near the kink while Adam moves them,
  and no unit is dead.
- Seeds are tried in turn until disturbances of the parameters larger than a fast convolution's rounding leave the ten losses alone.
"""
import argparse
import pathlib

import h5py
import numpy
import torch
import torch.nn.functional as F

FIRST_SEED = 20150518  # the date of the U-Net paper
BASE, SIZE, BATCH = 4, 64, 2
ADAM = dict(lr=1e-3, betas=(0.9, 0.999), eps=1e-8)
# The mean of a channel's values before ReLU, in standard deviations, and what share of them may then be active.
ACTIVATION_MEAN = {"conv9c": 0.5}
USUAL_ACTIVATION_MEAN = 1.5
LEAST_ACTIVE, MOST_ACTIVE = 0.3, 0.99
# Distances that are kept from the kinks, in the same unit.
RELU_MARGIN, POOL_MARGIN = 2e-4, 2e-4
# A seed is good when parameters disturbed by this share of each move none of the ten losses by more than LARGEST_CHANGE.
# The disturbance moves logits and gradients about twenty times as far as PyTorch's float32 rounding does.
DISTURBANCE, DISTURBANCES, LARGEST_CHANGE = 3e-6, 6, 2e-5
POOLED = {"conv1b", "conv2b", "conv3b", "conv4b"}
STORED_ACTIVATIONS = ("conv1b", "conv3b", "conv5b", "up6", "conv9b")


# --- The two networks ---------------------------------------------------------------------------------------------


def network(x, convolution, architecture, base):
    """Logits of `unet-keras` or `unet`; `convolution(name, x, channels, size, relu)` supplies each layer's arithmetic.

    Dropout is off. A convolution of even size is padded by the caller, below and to the right only."""
    channels = [base << level for level in range(5)]
    skips = []
    for level in range(5):
        x = convolution(f"conv{level + 1}a", x, channels[level], 3)
        x = convolution(f"conv{level + 1}b", x, channels[level], 3)
        if level < 4:
            skips.append(x)
            x = F.max_pool2d(x, 2)
    for number, level in zip((6, 7, 8, 9), (3, 2, 1, 0)):
        x = convolution(f"up{number}", upsample(x), channels[level], 2)
        x = torch.cat([skips[level], x], 1)
        x = convolution(f"conv{number}a", x, channels[level], 3)
        x = convolution(f"conv{number}b", x, channels[level], 3)
    if architecture == "unet":
        return convolution("head", x, 1, 1, relu=False)
    x = convolution("conv9c", x, 2, 3)
    return convolution("conv10", x, 1, 1, relu=False)


def upsample(x):
    """Nearest ×2, then one zero row below and one zero column to the right, as `same` pads a 2×2 kernel."""
    return F.pad(F.interpolate(x, scale_factor=2, mode="nearest"), (0, 1, 0, 1))


def padding(size):
    return (size - 1) // 2 if size % 2 else 0


def with_parameters(parameters, activations=None):
    """The convolutions of a network whose parameters are known; what each puts out is added to `activations`."""

    def convolution(name, x, channels, size, relu=True):
        x = F.conv2d(x, parameters[f"{name}.weight"], parameters[f"{name}.bias"], padding=padding(size))
        x = F.relu(x) if relu else x
        if activations is not None:
            activations[name] = x
        return x

    return convolution


def choosing_parameters(generator, parameters, active):
    """The convolutions of a network whose parameters are chosen, one layer after the other, while it runs.

    Fills `parameters`, and `active` with the share of active units of each channel."""

    def convolution(name, x, channels, size, relu=True):
        mean = ACTIVATION_MEAN.get(name, USUAL_ACTIVATION_MEAN)
        filters, biases, outputs = [], [], []
        for _ in range(channels):
            filter, bias, output = choose_channel(generator, x, size, relu, mean, pooled=name in POOLED)
            filters.append(filter)
            biases.append(bias)
            outputs.append(output)
        weight, bias = torch.cat(filters), torch.stack(biases)
        parameters[f"{name}.weight"], parameters[f"{name}.bias"] = weight, bias
        output = torch.cat(outputs, 1)
        if not relu:
            return output
        active[name] = (output > 0).double().mean(dim=(0, 2, 3)).tolist()
        return F.relu(output)

    return convolution


def choose_channel(generator, x, size, relu, mean, pooled):
    """One random filter, a bias for it, and what they put out: of unit variance, and away from the kinks of what follows."""
    for _ in range(1000):
        filter = generator.normal(0, 1, (1, x.shape[1], size, size))
        filter = representable(filter / F.conv2d(x, torch.from_numpy(filter), padding=padding(size)).std().numpy())
        output = F.conv2d(x, filter, padding=padding(size))
        if not relu:
            # A head: centre the logits, so that both classes are predicted.
            bias = representable(-output.mean().numpy())
            return filter, bias, output + bias
        bias = representable(bias_in_widest_gap(output.flatten(), mean))
        output = output + bias
        if not LEAST_ACTIVE <= float((output > 0).double().mean()) <= MOST_ACTIVE:
            continue
        if output.abs().min() < RELU_MARGIN or (pooled and pooling_gap(F.relu(output)) < POOL_MARGIN):
            continue
        return filter, bias, output
    raise RuntimeError("no channel found that keeps its distance from the kinks; choose smaller margins")


def bias_in_widest_gap(values, mean):
    """A bias that gives the values about this mean, and puts zero into the middle of the widest gap between them."""
    bias = mean - values.mean().numpy()
    near = torch.sort(values[(values + bias).abs() <= 0.3]).values
    if len(near) < 2:
        return bias
    widest = int((near[1:] - near[:-1]).argmax())
    return -(near[widest] + near[widest + 1]).numpy() / 2


def pooling_gap(x):
    """The smallest distance between the two largest values of a 2×2 window, over the windows with an active unit."""
    windows = F.unfold(x, 2, stride=2)
    largest, second = windows.topk(2, dim=1).values.unbind(1)
    return (largest - second)[largest > 0].min()


def representable(array):
    """A float64 tensor whose values float32 represents exactly."""
    return torch.from_numpy(numpy.asarray(array, dtype=numpy.float32).astype(numpy.float64))


def parameter_count(architecture, base):
    total = 0

    def convolution(name, x, channels, size, relu=True):
        nonlocal total
        total += channels * (x.shape[1] * size * size + 1)
        return F.conv2d(x, torch.empty(channels, x.shape[1], size, size, device="meta"), padding=padding(size))

    network(torch.empty(1, 1, 16, 16, device="meta"), convolution, architecture, base)
    return total


def sample_batch(generator):
    """Two different images, smooth structure under noise, and labels that follow the structure."""
    white = torch.from_numpy(generator.normal(0, 1, (BATCH, 1, SIZE, SIZE)))
    smooth = F.avg_pool2d(F.avg_pool2d(white, 7, 1, 3), 5, 1, 2)
    smooth = smooth / smooth.std()
    noise = torch.from_numpy(generator.normal(0, 1, (BATCH, 1, SIZE, SIZE)))
    image = (0.5 + 0.15 * smooth + 0.1 * noise).clamp(0, 1)
    return representable(image.numpy()), (smooth > -0.7).double()


# --- What is computed from them -----------------------------------------------------------------------------------


def leaf(tensor, precision):
    """A copy that collects its gradient."""
    return tensor.to(precision, copy=True).requires_grad_()


def evaluate(architecture, parameters, image, target, precision):
    """Logits, mean loss, activations and every gradient, in the given precision."""
    parameters = {name: leaf(value, precision) for name, value in parameters.items()}
    image = leaf(image, precision)
    activations = {}
    logits = network(image, with_parameters(parameters, activations), architecture, BASE)
    loss = F.binary_cross_entropy_with_logits(logits, target.to(precision))
    loss.backward()
    gradients = {name: value.grad for name, value in parameters.items()} | {"input": image.grad}
    return logits.detach(), loss.item(), {name: value.detach() for name, value in activations.items()}, gradients


def adam_losses(architecture, parameters, image, target, precision, steps=10):
    """The loss before each of the steps on the same batch."""
    parameters = {name: leaf(value, precision) for name, value in parameters.items()}
    optimizer = torch.optim.Adam(parameters.values(), **ADAM)
    losses = []
    for _ in range(steps):
        logits = network(image.to(precision), with_parameters(parameters), architecture, BASE)
        loss = F.binary_cross_entropy_with_logits(logits, target.to(precision))
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return losses


def relative_error(value, truth):
    return float((value.double() - truth).norm() / truth.norm())


def require_agreement(what, single, double, tolerance=1e-5):
    error = relative_error(torch.as_tensor(single), torch.as_tensor(double, dtype=torch.float64))
    if not error <= tolerance:
        raise AssertionError(f"{what}: float32 differs from float64 by {error:.1e} of the norm, more than {tolerance:.0e}")
    return error


# --- Files --------------------------------------------------------------------------------------------------------


def create(path, description, seed):
    """A file in HDF5's oldest format, without time stamps, so that the same tensors make the same bytes."""
    file = h5py.File(path, "w", libver="earliest")
    file.attrs["description"] = numpy.bytes_(description)
    file.attrs["torch_version"] = numpy.bytes_(torch.__version__)
    file.attrs["seed"] = numpy.int64(seed)
    return file


def store(group, name, tensor, precision=numpy.float32):
    values = numpy.asarray(torch.as_tensor(tensor).detach().numpy(), dtype=precision, order="C")
    group.create_dataset(name, data=values, track_times=False)


def steady_network(architecture):
    """The first seed's batch and parameters whose ten Adam losses rounding cannot divert, and those losses."""
    for seed in range(FIRST_SEED, FIRST_SEED + 100):
        generator = numpy.random.default_rng(seed)
        image, target = sample_batch(generator)
        parameters, active = {}, {}
        network(image, choosing_parameters(generator, parameters, active), architecture, BASE)
        losses = torch.tensor(adam_losses(architecture, parameters, image, target, torch.float64), dtype=torch.float64)
        largest = 0
        for _ in range(DISTURBANCES):
            disturbed = {
                name: value * (1 + DISTURBANCE * torch.from_numpy(generator.normal(0, 1, tuple(value.shape))))
                for name, value in parameters.items()
            }
            change = torch.tensor(adam_losses(architecture, disturbed, image, target, torch.float64), dtype=torch.float64) / losses - 1
            largest = max(largest, float(change.abs().max()))
            if largest > LARGEST_CHANGE:
                break
        else:
            print(f"{architecture}: seed {seed}, disturbances of {DISTURBANCE:.0e} move the ten losses by at most {largest:.1e}")
            return seed, image, target, parameters, active, losses
    raise RuntimeError("no seed found whose ten Adam steps rounding leaves alone")


def write_network(path, architecture, with_activations):
    seed, image, target, parameters, active, losses = steady_network(architecture)
    for name, shares in active.items():
        assert all(LEAST_ACTIVE <= share <= MOST_ACTIVE for share in shares), f"{name}: share of active units by channel is {shares}"
    assert sum(value.numel() for value in parameters.values()) == parameter_count(architecture, BASE)

    logits, loss, activations, gradients = evaluate(architecture, parameters, image, target, torch.float64)
    logits32, loss32, activations32, gradients32 = evaluate(architecture, parameters, image, target, torch.float32)
    assert 0.2 < float((logits > 0).double().mean()) < 0.8, "one class takes nearly all pixels"
    errors = {"logits": require_agreement("logits", logits32, logits), "loss": require_agreement("loss", loss32, loss)}
    for name in gradients:
        errors[name] = require_agreement(f"gradient of {name}", gradients32[name], gradients[name])
    for name in activations:
        errors[f"{name} activation"] = require_agreement(f"activation {name}", activations32[name], activations[name])

    losses32 = adam_losses(architecture, parameters, image, target, torch.float32)
    errors["losses of ten Adam steps"] = require_agreement("losses of ten Adam steps", losses32, losses)
    assert losses[9] < 0.95 * losses[0], f"ten Adam steps hardly change the loss: {losses}"

    with create(path, f"{architecture}, {BASE} base channels, depth 4, dropout off; all tensors NCHW, weights OIHW", seed) as file:
        store(file, "input", image)
        store(file, "target", target)
        for name, value in parameters.items():
            store(file, f"parameters/{name}", value)
        store(file, "logits", logits)
        store(file, "loss", loss, numpy.float64)
        for name, value in gradients.items():
            store(file, f"gradients/{name}", value)
        store(file, "adam_losses", losses, numpy.float64)
        if with_activations:
            store(file, "loss_float32", loss32)
            for name in STORED_ACTIVATIONS:
                store(file, f"activations/{name}", activations[name])
    worst = max(errors, key=errors.get)
    print(
        f"{path.name}: {path.stat().st_size} bytes, {parameter_count(architecture, BASE)} parameters, loss {loss:.6f}, "
        f"PyTorch's float32 is off by at most {errors[worst]:.1e} of the norm ({worst})"
    )


def write_layers(path):
    generator = numpy.random.default_rng(FIRST_SEED)
    with create(path, "single layers with their gradients; all tensors NCHW, weights OIHW", FIRST_SEED) as file:
        for size, upsampled, cases in (
            (3, False, [(1, 5, 7, 9), (3, 17, 13, 6), (16, 32, 12, 20), (20, 33, 17, 5)]),
            (1, False, [(5, 2, 7, 3), (16, 16, 8, 8)]),
            (2, True, [(3, 5, 4, 7), (32, 16, 6, 6)]),
            (5, False, [(4, 6, 9, 11)]),
        ):
            kind = "upsample-convolution" if upsampled else "convolution"
            for inputs, outputs, height, width in cases:
                group = file.create_group(f"{kind}-{size}x{size}/{inputs}-{outputs}-{height}-{width}")
                write_layer(
                    group,
                    lambda x, weight, bias: F.conv2d(upsample(x) if upsampled else x, weight, bias, padding=padding(size)),
                    input=representable(generator.normal(0, 1, (BATCH, inputs, height, width))),
                    weight=representable(generator.normal(0, (1 / (inputs * size * size)) ** 0.5, (outputs, inputs, size, size))),
                    bias=representable(generator.normal(0, 1, outputs)),
                    generator=generator,
                )
        for channels, height, width in [(5, 7, 9), (17, 6, 11)]:
            group = file.create_group(f"max-pool-2x2/{channels}-{height}-{width}")
            # A permutation: no two values tie or come near to it.
            values = generator.permutation(BATCH * channels * height * width).reshape(BATCH, channels, height, width)
            write_layer(group, lambda x: F.max_pool2d(x, 2), input=representable(values / values.size - 0.5), generator=generator)
        write_adam(file.create_group("adam"), generator)
    print(f"{path.name}: {path.stat().st_size} bytes")


def write_layer(group, layer, generator, **arguments):
    """Arguments, output, a gradient of the output, and from it the gradient of every argument."""

    def run(precision, output_gradient=None):
        values = {name: leaf(value, precision) for name, value in arguments.items()}
        output = layer(**{"x" if name == "input" else name: value for name, value in values.items()})
        if output_gradient is None:
            output_gradient = representable(generator.normal(0, 1, tuple(output.shape)))
        output.backward(output_gradient.to(precision))
        return output_gradient, {"output": output.detach()} | {f"{name}_gradient": value.grad for name, value in values.items()}

    output_gradient, truth = run(torch.float64)
    _, single = run(torch.float32, output_gradient)
    for name, value in arguments.items():
        store(group, name, value)
    store(group, "output_gradient", output_gradient)
    for name, value in truth.items():
        require_agreement(f"{group.name}/{name}", single[name], value)
        store(group, name, value)


def write_adam(group, generator, count=37, steps=5):
    """A few steps with gradients of very different size, zero among them, and the parameters after each step."""
    start = representable(generator.normal(0, 0.05, count))  # so small that rounding the sum hides nothing of a step
    gradients = generator.normal(0, 1, (steps, count)) * 10.0 ** generator.uniform(-9, 2, count)
    gradients[:, 0] = 0
    gradients = representable(gradients)

    def run(precision):
        parameter = leaf(start, precision)
        optimizer = torch.optim.Adam([parameter], **ADAM)
        history = []
        for gradient in gradients.to(precision):
            parameter.grad = gradient.clone()
            optimizer.step()
            history.append(parameter.detach().clone())
        return torch.stack(history)

    history = run(torch.float64)
    # Compared by what the steps change, not by the parameters, beside which a step is small.
    require_agreement("Adam", run(torch.float32).double() - start, history - start, tolerance=1e-4)
    store(group, "parameters0", start)
    store(group, "gradients", gradients)
    store(group, "parameters", history)
    group.attrs["learning_rate"], group.attrs["epsilon"] = ADAM["lr"], ADAM["eps"]
    group.attrs["beta1"], group.attrs["beta2"] = ADAM["betas"]


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    here = pathlib.Path(__file__).parent
    options.add_argument("--output", type=pathlib.Path, default=here, help="folder to write into (default: beside this script)")
    folder = options.parse_args().output
    torch.set_num_threads(1)  # the order of sums, and with it the last bits, must not depend on the machine's cores
    torch.use_deterministic_algorithms(True)
    assert parameter_count("unet-keras", 64) == 31_031_685, "this is not the seed's network"
    write_network(folder / "unet-keras-base4.h5", "unet-keras", with_activations=True)
    write_network(folder / "unet-base4.h5", "unet", with_activations=False)
    write_layers(folder / "layers.h5")


if __name__ == "__main__":
    main()
