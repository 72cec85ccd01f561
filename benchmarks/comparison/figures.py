"""What the raw results come to: the figures that are judged. None stands for what was not run."""
from __future__ import annotations

import json
import statistics
from dataclasses import dataclass
from pathlib import Path

from .markdown import quotient
from .results import Results, ResultsError
from .rows import CHANNELS_LAST, CONTIGUOUS, DIRECTIONS, ONE_THREAD, ONEDNN, OURS, PEAK, TWO_RANKS, TWO_THREADS, Plan, Row


def smaller(*values: float | None) -> float | None:
    known = [value for value in values if value is not None]
    return min(known) if known else None


@dataclass(frozen=True)
class AgainstPyTorch:
    """One step or prediction: medians, the faster of PyTorch's layouts, and how far the ratio varies from turn to turn."""

    ours: float | None
    pytorch: float | None
    layout: str | None
    ratio: float | None
    spread: tuple[float, float] | None

    @staticmethod
    def of(results: Results, row: Row, ours: str = OURS) -> AgainstPyTorch:
        median = results.median(row.name, ours, "step_median_s")
        layouts = {name: results.median(row.name, name, "step_median_s") for name in (CONTIGUOUS, CHANNELS_LAST)}
        if median is None or None in layouts.values():
            return AgainstPyTorch(median, None, None, None, None)
        faster = min(layouts, key=layouts.get)
        turns = [
            other / own for other, own in zip(
                results.values(row.name, faster, "step_median_s"), results.values(row.name, ours, "step_median_s"))]
        return AgainstPyTorch(median, layouts[faster], faster[len("pytorch-"):], layouts[faster] / median, (min(turns), max(turns)))


@dataclass(frozen=True)
class Direction:
    """One direction of one layer: seconds of ours and of oneDNN's two algorithms."""

    layer: str
    direction: str
    ours: float | None
    direct: float | None
    winograd: float | None
    gflop: float | None
    algorithm: str
    peak_share: float | None
    error: float | None

    @property
    def ratio(self) -> float | None:
        """How much faster ours is than the better of the two."""
        return quotient(smaller(self.direct, self.winograd), self.ours)

    def gflops(self, time: float | None) -> float | None:
        return quotient(self.gflop, time)


def layer(output: dict) -> dict:
    """The one layer of a program's output, so that its keys are a path for `Results.median`."""
    layers = output.get("layers", [])
    return layers[0] if len(layers) == 1 else {}


def directions(results: Results, plan: Plan) -> list[Direction]:
    found = []
    for row in plan.layers:
        ours = [layer(output) for output in results.outputs(row.name, OURS)]
        onednn = [layer(output) for output in results.outputs(row.name, ONEDNN)]

        def median(outputs: list[dict], *keys: str) -> float | None:
            values = []
            for value in outputs:
                for key in keys:
                    value = value.get(key) if isinstance(value, dict) else None
                if value is not None:
                    values.append(value)
            return statistics.median(values) if values else None

        for direction in DIRECTIONS:
            found.append(Direction(
                row.title, direction, median(ours, direction, "median_s"), median(onednn, direction, "direct", "median_s"),
                median(onednn, direction, "winograd", "median_s"), median(onednn, "gflop"),
                ours[0].get("algorithm", "") if ours else "", median(ours, direction, "peak_share"),
                max((one[direction]["max_relative_error"] for one in ours if one.get(direction)), default=None)))
    return found


# Scaling of the cores' own peak below which two of them are not judged.
SECOND_CORE = 1.5


@dataclass(frozen=True)
class Scaling:
    """Two cores against one. `judged` counts what the cores themselves fall short of twice the work for the program; None where
    the second core was hardly there (others use it, or the two are threads of one core), so that nothing can be said."""

    one: float | None
    peak_one: float | None
    peak_two: float | None
    two: dict[str, float | None]

    @staticmethod
    def of(results: Results, plan: Plan) -> Scaling:
        name = plan.scaling.name
        peaks = [output["gflops"] for output in results.outputs(name, PEAK)]
        return Scaling(
            results.median(name, ONE_THREAD, "step_median_s"),
            # The most they reached in any turn: a neighbour's work in the median would be credited to the program.
            max((peak[0] for peak in peaks), default=None),
            max((peak[1] for peak in peaks), default=None),
            {two: results.median(name, two, "step_median_s") for two in (TWO_THREADS, TWO_RANKS)})

    @property
    def peak(self) -> float | None:
        return quotient(self.peak_two, self.peak_one)

    def measured(self, name: str) -> float | None:
        return quotient(self.one, self.two[name])

    def judged(self, name: str) -> float | None:
        measured = self.measured(name)
        if measured is None or self.peak is None or self.peak < SECOND_CORE:
            return None
        return 2 * measured / min(self.peak, 2)


@dataclass(frozen=True)
class Memory:
    """Peak of a process, and its peak before the work (after the start, or after importing PyTorch), in MiB."""

    peak: float | None
    before: float | None

    @property
    def net(self) -> float | None:
        return None if self.peak is None or self.before is None else self.peak - self.before

    @staticmethod
    def of(results: Results, plan: Plan, program: str) -> Memory:
        row = plan.memory_of.name
        return Memory(results.median(row, program, "peak_memory_mib"), results.median(row, program, "memory_before_mib"))


def memory_ratios(ours: Memory, peers: list[Memory]) -> tuple[float | None, float | None]:
    """Raw and net, to the layout that takes less."""
    return quotient(ours.peak, smaller(*(peer.peak for peer in peers))), quotient(ours.net, smaller(*(peer.net for peer in peers)))


def breakdown(results: Results, plan: Plan) -> list[tuple[str, float]]:
    """The kinds of work in a step with their shares of it, the largest first: medians over the turns."""
    shares: dict[str, list[float]] = {}
    for output in results.outputs(plan.breakdown.name, OURS):
        kinds = kinds_of(output.get("profile"))
        whole = sum(kinds.values())
        for kind, time in kinds.items():
            shares.setdefault(kind, []).append(time / whole)
    return sorted(((kind, statistics.median(values)) for kind, values in shares.items()), key=lambda pair: -pair[1])


def kinds_of(profile) -> dict[str, float]:
    """`unet-mpi bench step --profile --json` has `profile.kinds`: a list of objects with `kind` and `seconds` (of one step)."""
    try:
        kinds = {entry["kind"]: float(entry["seconds"]) for entry in profile["kinds"]}
    except (KeyError, TypeError, ValueError) as problem:
        raise ResultsError(f"bench step --profile: expected \"profile\": {{\"kinds\": [{{\"kind\", \"seconds\"}}, …]}} ({problem!r})") from problem
    if sum(kinds.values()) <= 0:
        raise ResultsError("bench step --profile: the times of a step's kinds of work sum to nothing")
    return kinds


def not_convolution(shares: list[tuple[str, float]]) -> float | None:
    """Kinds of work are named; those that are convolutions (3×3, 1×1, up-convolution) have the word in their names."""
    return sum(share for kind, share in shares if "convolution" not in kind.lower()) if shares else None


def communication(folder: Path) -> list[dict]:
    """`communication.json`, written by whoever measured it: {"measurements": [{"what", "step_s", "exposed_communication_s",
    "how"}, …]}; the first one is judged. Empty where the file is not there."""
    path = folder / "communication.json"
    if not path.exists():
        return []
    try:
        measurements = json.loads(path.read_text(encoding="utf-8"))["measurements"]
        return [
            {"what": str(entry["what"]), "how": str(entry["how"]), "step_s": float(entry["step_s"]),
             "exposed_communication_s": float(entry["exposed_communication_s"])} for entry in measurements]
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise ResultsError(f"{path}: expected measurements with what, how, step_s and exposed_communication_s ({problem!r})") from problem
