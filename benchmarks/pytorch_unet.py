#!/usr/bin/env python3
"""The peer: the network `unet-keras` in PyTorch on the CPU, one training step or one prediction timed.

    python pytorch_unet.py --base-channels 64 --crop 256 --batch-size 1 --threads 1 --repeats 3
    python pytorch_unet.py --base-channels 64 --crop 512 --forward-only --channels-last

Same layers, dropout, loss (binary cross-entropy) and optimizer (Adam) as `unet-mpi bench step --architecture unet-keras`, on random
numbers, in fp32. Written as one writes it in PyTorch: eager mode, the optimizer's defaults. Compare with the faster of the two
memory layouts, with and without --channels-last. Prints one JSON object under the keys of `unet-mpi bench step --json`;
`memory_before_mib` is the process's peak when PyTorch has been imported and nothing else has happened.
"""
import argparse
import json
import resource
import statistics
import time

import torch
import torch.nn as nn
import torch.nn.functional as functional


def peak_memory_mib() -> int:
    """The largest resident size of this process so far. Linux's own figure where there is one: `getrusage` also counts what the
    parent had before it started this program."""
    try:
        with open("/proc/self/status") as status:
            for line in status:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) // 1024
    except OSError:
        pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


class Convolution(nn.Module):
    """A convolution of the input's size, He initialisation, ReLU."""

    def __init__(self, inputs, outputs, kernel_size=3):
        super().__init__()
        self.convolution = nn.Conv2d(inputs, outputs, kernel_size, padding=1 if kernel_size == 3 else 0)
        # An even kernel of the same size as its input: the padding is after (right and below), as in Keras.
        self.padding = (0, 1, 0, 1) if kernel_size == 2 else None
        nn.init.kaiming_normal_(self.convolution.weight)
        nn.init.zeros_(self.convolution.bias)

    def forward(self, x):
        return functional.relu(self.convolution(functional.pad(x, self.padding) if self.padding else x), inplace=True)


class UNet(nn.Module):
    """`unet-keras`: four poolings, dropout 0.5 in the two deepest levels, nearest upsampling with a 2x2 convolution."""

    def __init__(self, base):
        super().__init__()
        n = [base << level for level in range(5)]
        self.down = nn.ModuleList(nn.Sequential(Convolution(n[i - 1] if i else 1, n[i]), Convolution(n[i], n[i])) for i in range(5))
        self.up = nn.ModuleList(Convolution(n[i + 1], n[i], 2) for i in range(4))
        self.merge = nn.ModuleList(nn.Sequential(Convolution(2 * n[i], n[i]), Convolution(n[i], n[i])) for i in range(4))
        self.two = Convolution(base, 2)
        self.logits = nn.Conv2d(2, 1, 1)

    def forward(self, x):
        skips = []
        for level in range(5):
            x = self.down[level](x)
            if level >= 3:
                x = functional.dropout(x, 0.5, self.training)
            if level < 4:
                skips.append(x)
                x = functional.max_pool2d(x, 2)
        for level in (3, 2, 1, 0):
            up = self.up[level](functional.interpolate(x, scale_factor=2, mode="nearest"))
            x = self.merge[level](torch.cat([skips[level], up], 1))
        return self.logits(self.two(x))


def forward_gflop(base, size):
    """Of the direct convolutions of one image; a training step is counted three times as much."""
    n = [base << level for level in range(5)]
    products = sum((size >> i) ** 2 * 9 * ((n[i - 1] if i else 1) * n[i] + n[i] ** 2) for i in range(5))
    products += sum((size >> i) ** 2 * (4 * n[i + 1] * n[i] + 27 * n[i] ** 2) for i in range(4)) + size * size * (18 * base + 2)
    return 2 * products / 1e9


def number(least):
    """An argument type: an integer of at least this."""

    def parsed(text):
        value = int(text)
        if value < least:
            raise argparse.ArgumentTypeError(f"{value}: at least {least} is needed")
        return value

    return parsed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base-channels", type=number(1), default=64, help="channels of the first level (default 64)")
    parser.add_argument("--crop", type=number(16), default=256, help="height and width, a multiple of 16 (default 256)")
    parser.add_argument("--batch-size", type=number(1), default=1, help="images a step (default 1)")
    parser.add_argument("--threads", type=number(1), default=1, help="threads of PyTorch (default 1)")
    parser.add_argument("--repeats", type=number(1), default=3, help="timed steps (default 3)")
    parser.add_argument("--warm-up", type=number(0), default=1, help="steps before them (default 1)")
    parser.add_argument("--channels-last", action="store_true", help="memory layout NHWC instead of NCHW")
    parser.add_argument("--forward-only", action="store_true", help="prediction: forward in evaluation mode, without gradients")
    arguments = parser.parse_args()
    if arguments.crop % 16:
        parser.error(f"--crop {arguments.crop}: a multiple of 16 is needed")

    before = peak_memory_mib()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    layout = torch.channels_last if arguments.channels_last else torch.contiguous_format
    network = UNet(arguments.base_channels).to(memory_format=layout)
    optimizer = torch.optim.Adam(network.parameters(), 1e-4)
    shape = (arguments.batch_size, 1, arguments.crop, arguments.crop)
    images = torch.randn(shape).contiguous(memory_format=layout)
    labels = (torch.rand(shape) > 0.5).float().contiguous(memory_format=layout)

    def predict():
        with torch.no_grad():
            torch.sigmoid(network(images))

    def step():
        loss = functional.binary_cross_entropy_with_logits(network(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()

    network.train(not arguments.forward_only)
    work = predict if arguments.forward_only else step
    times = []
    for _ in range(arguments.warm_up + arguments.repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    times = times[arguments.warm_up:]

    median = statistics.median(times)
    gflop = forward_gflop(arguments.base_channels, arguments.crop) * arguments.batch_size * (1 if arguments.forward_only else 3)
    print(json.dumps({
        "program": "pytorch", "version": torch.__version__, "layout": "channels-last" if arguments.channels_last else "contiguous",
        "architecture": "unet-keras", "base_channels": arguments.base_channels, "height": arguments.crop, "width": arguments.crop,
        "batch_size": arguments.batch_size, "threads": arguments.threads, "step_median_s": median, "step_best_s": min(times),
        "step_times_s": times, "images_per_s": arguments.batch_size / median, "direct_gflops": gflop / median,
        "peak_memory_mib": peak_memory_mib(), "memory_before_mib": before,
    }))


if __name__ == "__main__":
    main()
