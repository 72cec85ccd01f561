"""What is measured, and what is asked of it: one `Row` for each line of the comparison."""
from __future__ import annotations

from dataclasses import dataclass, field

OURS, OURS_AVX2, CONTIGUOUS, CHANNELS_LAST = "unet-mpi", "unet-mpi-avx2", "pytorch-contiguous", "pytorch-channels-last"
ONEDNN, PEAK = "onednn", "fma-peak"
ONE_THREAD, TWO_THREADS, TWO_RANKS = "one-thread", "two-threads", "two-ranks"

DIRECTIONS = ("forward", "input_gradient", "weight_gradient")

# In each process: one step that is not counted, then three; alternation does the rest.
STEP_REPEATS = ("--repeats", "3", "--warm-up", "1")
LAYER_REPEATS = ("--repeats", "7", "--warm-up", "2")


@dataclass(frozen=True)
class Goal:
    """What is aimed at and what is the least, as a ratio, a share or seconds."""

    goal: float
    least: float
    smaller_is_better: bool = False

    def verdict(self, value: float | None) -> str:
        if value is None:
            return "not run"
        reached = (lambda bound: value <= bound) if self.smaller_is_better else (lambda bound: value >= bound)
        return "goal met" if reached(self.goal) else "least met" if reached(self.least) else "**missed**"


@dataclass(frozen=True)
class Program:
    """One of the programs that take turns in a row. `tool` says which executable: `unet-mpi`, `python`, `onednn`, `fma-peak`,
    or `start-up` for a whole `unet-mpi train` that is watched until its first step."""

    name: str
    tool: str
    arguments: tuple[str, ...]
    threads: int = 1
    ranks: int = 1
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def cores(self) -> int:
        return self.threads * self.ranks


@dataclass(frozen=True)
class Row:
    name: str
    title: str
    programs: tuple[Program, ...]
    goal: Goal | None = None

    @property
    def cores(self) -> int:
        return max(program.cores for program in self.programs)


def network(base: int, size: int, batch: int, threads: int) -> tuple[str, ...]:
    """The options that `unet-mpi bench` and the PyTorch program share."""
    return ("--base-channels", str(base), "--crop", str(size), "--batch-size", str(batch), "--threads", str(threads))


def ours(name: str, kind: str, base: int, size: int, batch: int, threads: int, *more: str, ranks: int = 1, isa: str | None = None) -> Program:
    arguments = ("bench", kind, "--architecture", "unet-keras", *network(base, size, batch, threads), *STEP_REPEATS, "--json", *more)
    return Program(name, "unet-mpi", arguments, threads, ranks, {"UNET_ISA": isa} if isa else {})


def pytorch(name: str, base: int, size: int, batch: int, threads: int, *more: str) -> Program:
    return Program(name, "python", (*network(base, size, batch, threads), *STEP_REPEATS, *more), threads)


def counted(count: int, noun: str) -> str:
    return f"{('no', 'one', 'two')[count] if count <= 2 else count} {noun}{'' if count == 1 else 's'}"


def step_row(base: int, size: int, batch: int, threads: int, goal: Goal) -> Row:
    return Row(
        f"step-base{base}-{size}-batch{batch}-threads{threads}",
        f"training step, base {base}, {size}×{size}, batch {batch}, {counted(threads, 'thread')}",
        (
            ours(OURS, "step", base, size, batch, threads),
            pytorch(CONTIGUOUS, base, size, batch, threads),
            pytorch(CHANNELS_LAST, base, size, batch, threads, "--channels-last"),
            # In the same alternation, so that it stands beside the same PyTorch figure.
            ours(OURS_AVX2, "step", base, size, batch, threads, isa="avx2"),
        ),
        goal)


def predict_row(base: int, size: int, threads: int, goal: Goal) -> Row:
    return Row(
        f"predict-base{base}-{size}-threads{threads}",
        f"prediction, base {base}, {size}×{size}, {counted(threads, 'thread')}",
        (
            ours(OURS, "predict", base, size, 1, threads),
            pytorch(CONTIGUOUS, base, size, 1, threads, "--forward-only"),
            pytorch(CHANNELS_LAST, base, size, 1, threads, "--forward-only", "--channels-last"),
        ),
        goal)


def layer_row(layer: str) -> Row:
    return Row(
        f"layer-{layer}",
        layer,
        (
            Program(OURS, "unet-mpi", ("bench", "kernels", "--layers", layer, "--threads", "1", "--json")),
            Program(ONEDNN, "onednn", ("--layers", layer, *LAYER_REPEATS)),
        ),
        Goal(1.3, 1.1))


def scaling_row(base: int, size: int) -> Row:
    return Row(
        "scaling",
        f"two cores against one, training step, base {base}, {size}×{size}, global batch 2",
        (
            Program(PEAK, "fma-peak", ("--threads", "2"), threads=2),
            ours(ONE_THREAD, "step", base, size, 2, 1),
            ours(TWO_THREADS, "step", base, size, 2, 2),
            ours(TWO_RANKS, "step", base, size, 2, 1, ranks=2),
        ),
        Goal(1.95, 1.8))


class Plan:
    """All rows, in the order of the page; `quick` has the same in small, to see that everything works."""

    def __init__(self, quick: bool = False):
        def channels(full: int) -> int:
            return full // 8 if quick else full

        def size(full: int) -> int:
            return full // 4 if quick else full

        step, narrow = Goal(5, 3.5), Goal(5, 3)
        self.steps = [step_row(channels(64), size(256), batch, threads, step) for batch in (1, 2) for threads in (1, 2)]
        self.steps += [step_row(channels(32), size(512), 1, threads, step) for threads in (1, 2)]
        self.steps += [step_row(channels(16), size(512), 1, threads, narrow) for threads in (1, 2)]
        self.predictions = [predict_row(channels(64), size(512), threads, step) for threads in (1, 2)]
        names = (
            "64x64@256 128x64@256 64x128@128 128x128@128 256x128@128 128x256@64 256x256@64 512x256@64 256x512@32 512x512@32 1024x512@32 "
            "512x1024@16 1024x1024@16 16x16@512 32x32@256 64x64@512")
        self.layers = [layer_row(name) for name in ("16x16@64 64x32@32 64x64@16" if quick else names).split()]
        self.scaling = scaling_row(channels(64), size(256))
        self.breakdown = Row(
            "breakdown",
            f"share of a step that is not convolution, base {channels(64)}, {size(256)}×{size(256)}, batch 1, one thread",
            (ours(OURS, "step", channels(64), size(256), 1, 1, "--profile"),),
            Goal(0.10, 0.15, smaller_is_better=True))
        self.start_up = Row(
            "start-up",
            f"start to first step, base {channels(64)}",
            (Program(OURS, "start-up", ("--architecture", "unet-keras", *network(channels(64), size(256), 1, 1), "--steps", "1")),),
            Goal(1, 2, smaller_is_better=True))
        # From the runs of a step row: nothing of their own is run for these.
        self.memory_of = self.steps[0]
        self.memory_goal = Goal(0.5, 0.6, smaller_is_better=True)
        # From another source, see benchmarks/README.md.
        self.communication_goal = Goal(0.05, 0.10, smaller_is_better=True)

    @property
    def rows(self) -> list[Row]:
        return [*self.steps, *self.predictions, *self.layers, self.scaling, self.breakdown, self.start_up]
