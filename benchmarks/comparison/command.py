"""The command line of `benchmarks/run`."""
from __future__ import annotations

import argparse
import fnmatch
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from . import machine
from .measure import measured
from .programs import ProgramError, Tools, built, environment
from .report import page
from .results import Results, ResultsError
from .rows import Plan, Program, Row

BENCHMARKS = Path(__file__).resolve().parent.parent
ROOT = BENCHMARKS.parent

# A quarter of the cores busy before we begin: somebody else is at work, or a build has just ended.
LOAD_LIMIT = 0.25

DESCRIPTION = """\
Measures unet-mpi side by side with PyTorch and oneDNN on this machine, and writes docs/performance.md. The raw results stay in
benchmarks/results/comparison.json. Build the program first: swift build -c release --product unet-mpi
"""
EXIT_STATUSES = "Exit status: 0 done, 1 a row failed, 64 usage, 65 results that cannot be used, 69 something is missing, 75 the machine is busy."


class Stop(Exception):
    """The end before anything was measured, with an exit status."""

    def __init__(self, status: int, text: str):
        super().__init__(text)
        self.status = status


def positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value}: at least 1 is needed")
    return value


class Parser(argparse.ArgumentParser):
    def error(self, message: str):
        self.print_usage(sys.stderr)
        self.exit(64, f"{self.prog}: {message}\n")


def parsed(arguments: list[str] | None) -> argparse.Namespace:
    parser = Parser("benchmarks/run", description=DESCRIPTION, epilog=EXIT_STATUSES, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=Path, default=ROOT / ".build/release/unet-mpi", help="unet-mpi (default .build/release/unet-mpi)")
    parser.add_argument("--python", type=Path, help="a Python that has PyTorch (default benchmarks/.venv/bin/python)")
    parser.add_argument("--install", action="store_true", help="make benchmarks/.venv with PyTorch from PyPI, and end")
    parser.add_argument("--only", action="append", metavar="PATTERN",
                        help="only the rows whose names match, e.g. 'step-base64-*', 'layer-*', scaling; again for more; the others stay as stored")
    parser.add_argument("--list", action="store_true", help="list the rows, and end")
    parser.add_argument("--repeats", type=positive, help="turns of each program (default 5; 2 with --quick)")
    parser.add_argument("--quick", action="store_true",
                        help="all rows in small, a few minutes, to see that everything works; results and page go to benchmarks/.quick")
    parser.add_argument("--report-only", action="store_true", help="only write the page again from the stored results")
    parser.add_argument("--figures-only", action="store_true",
                        help="the page has the tables alone, as for a second machine: without texts, profile, and exposed communication")
    parser.add_argument("--results", type=Path, metavar="FILE.json", help="raw results (default benchmarks/results/comparison.json)")
    parser.add_argument("--output", type=Path, metavar="FILE.md", help="the page (default docs/performance.md)")
    parser.add_argument("--ignore-load", action="store_true", help="measure on a busy machine, too; the page says so")
    return parser.parse_args(arguments)


def selected(rows: list[Row], patterns: list[str] | None) -> list[Row]:
    if not patterns:
        return rows
    for pattern in patterns:
        if not fnmatch.filter([row.name for row in rows], pattern):
            raise Stop(64, f"--only {pattern}: no row has such a name (--list shows them)")
    return [row for row in rows if any(fnmatch.fnmatchcase(row.name, pattern) for pattern in patterns)]


def install() -> None:
    """A virtual environment with PyTorch. pip's messages go to the terminal."""
    folder = BENCHMARKS / ".venv"
    venv.create(folder, with_pip=True)
    if subprocess.run([folder / "bin/python", "-m", "pip", "install", "torch"]).returncode != 0:
        raise Stop(69, "pip could not install PyTorch; see its messages above")


def python_with_torch(wanted: Path | None) -> Path:
    if wanted is None and (BENCHMARKS / ".venv/bin/python").exists():
        wanted = BENCHMARKS / ".venv/bin/python"
    python = wanted or Path(sys.executable)
    probe = Program("probe", "python", ())
    try:
        has_torch = subprocess.run([python, "-c", "import torch"], capture_output=True, env=environment(probe)).returncode == 0
    except OSError as problem:
        raise Stop(69, f"--python {python}: {problem.strerror}") from problem
    if not has_torch:
        raise Stop(69, f"{python} has no PyTorch; name one that has it with --python, or make one with benchmarks/run --install")
    return python


def prepared(arguments: argparse.Namespace, rows: list[Row]) -> Tools:
    """The executables that these rows need, built or found."""
    needed = {program.tool for row in rows for program in row.programs}
    tools = Tools(
        binary=arguments.binary.resolve(), python=python_with_torch(arguments.python) if "python" in needed else None,
        onednn=BENCHMARKS / ".build/onednn-layers", fma_peak=BENCHMARKS / ".build/fma-peak", benchmarks=BENCHMARKS)
    if not os.access(tools.binary, os.X_OK):
        raise Stop(69, f"{tools.binary} is not there: swift build -c release --product unet-mpi, or name another with --binary")
    if "onednn" in needed:
        built(BENCHMARKS / "onednn/layers.cpp", tools.onednn, (), ("-ldnnl",), "it needs oneDNN 2: apt-get install libdnnl-dev")
    if "fma-peak" in needed:
        native = ("-march=native", "-ffp-contract=fast", "-pthread")
        built(BENCHMARKS / "peak/fma_peak.cpp", tools.fma_peak, native, (), "it needs a compiler for this CPU")
    return tools


def first_line(command: list[str]) -> str:
    try:
        process = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    except OSError:
        return ""
    return process.stdout.strip().split("\n")[0] if process.returncode == 0 else ""


def versions(tools: Tools) -> dict:
    """Of our side; PyTorch and oneDNN print theirs with their figures."""
    commit = first_line(["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--exclude", "*"])
    return {"unet_mpi": first_line([str(tools.binary), "--version"]), "commit": commit, "mpi": first_line(["mpirun", "--version"])}


def check_load(ignored: bool) -> None:
    load, cores = os.getloadavg()[0], machine.usable_cores()
    if load <= LOAD_LIMIT * cores:
        return
    text = f"the machine is busy: load average {load:.2f} over the last minute on {counted_cores(cores)}"
    if not ignored:
        raise Stop(75, f"{text}; wait until it is below {LOAD_LIMIT * cores:.2f}, or measure all the same with --ignore-load")
    print(f"benchmarks/run: {text}; the page will say so", file=sys.stderr)


def counted_cores(cores: int) -> str:
    return f"{cores} core{'' if cores == 1 else 's'}"


def measure(arguments: argparse.Namespace, path: Path) -> bool:
    """Measures the selected rows and stores each as soon as it is there. False when one failed."""
    rows = selected(Plan(arguments.quick).rows, arguments.only)
    here = machine.description()
    results = Results(here, arguments.quick)
    if arguments.only and path.exists():
        results = Results.read(path)
        if results.machine != here or results.quick != arguments.quick:
            raise Stop(65, f"{path} has results of another machine or size; measure all rows, or name another file with --results")
    check_load(arguments.ignore_load)
    tools = prepared(arguments, rows)
    ours, failures = versions(tools), 0
    repeats = arguments.repeats or (2 if arguments.quick else 5)
    for row in rows:
        record = measured(row, tools, here, ours, repeats, lambda line: print(line, flush=True))
        results.rows[row.name] = record
        results.write(path)
        if "failed" in record:
            failures += 1
            print(f"benchmarks/run: {row.name}: {record['failed']}", file=sys.stderr)
    return failures == 0


def run(arguments: argparse.Namespace) -> int:
    if arguments.list:
        for row in Plan(arguments.quick).rows:
            print(f"{row.name:34}{row.title}")
        return 0
    if arguments.install:
        install()
        return 0
    folder = BENCHMARKS / ".quick" if arguments.quick else BENCHMARKS / "results"
    path = arguments.results or folder / "comparison.json"
    output = arguments.output or (folder / "performance.md" if arguments.quick else ROOT / "docs/performance.md")
    is_complete = arguments.report_only or measure(arguments, path)
    results = Results.read(path)
    if arguments.figures_only:
        with tempfile.TemporaryDirectory() as nothing:
            text = page(results, Path(nothing), Path(nothing), f"Performance: {results.machine['cpu']}, {results.machine['instruction_set']}")
    else:
        text = page(results, folder, BENCHMARKS / "text")
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(text, encoding="utf-8")
    print(f"benchmarks/run: wrote {os.path.relpath(output)}")
    return 0 if is_complete else 1


def main(arguments: list[str] | None = None) -> int:
    try:
        return run(parsed(arguments))
    except (Stop, ProgramError, ResultsError) as problem:
        print(f"benchmarks/run: {problem}", file=sys.stderr)
        return problem.status if isinstance(problem, Stop) else 65 if isinstance(problem, ResultsError) else 69
    except KeyboardInterrupt:
        print("benchmarks/run: interrupted; the rows that were finished are stored", file=sys.stderr)
        return 130
