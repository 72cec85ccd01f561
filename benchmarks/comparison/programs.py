"""Starts the programs of the comparison and reads what they print."""
from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from .machine import Meter
from .rows import Program

# Settings of a user's shell that would change what is measured. Each program gets its thread count on its command line or below.
FOREIGN_SETTINGS = ("OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_", "DNNL_", "ONEDNN_", "TORCH_", "ATEN_", "UNET_", "MALLOC_", "LD_PRELOAD", "PYTHON")


class ProgramError(Exception):
    """A program could not be built or run, or printed something else than its figures; the text is for the user."""


@dataclass(frozen=True)
class Tools:
    """Where the executables are; those that no selected row needs may be missing."""

    binary: Path
    python: Path | None
    onednn: Path
    fma_peak: Path
    benchmarks: Path

    def command(self, program: Program) -> list[str]:
        if program.tool == "unet-mpi":
            launcher = ["mpirun", "-np", str(program.ranks)] if program.ranks > 1 else []
            return [*launcher, str(self.binary), *program.arguments]
        if program.tool == "python":
            return [str(self.python), str(self.benchmarks / "pytorch_unet.py"), *program.arguments]
        return [str({"onednn": self.onednn, "fma-peak": self.fma_peak}[program.tool]), *program.arguments]

    def run(self, program: Program) -> dict:
        """One turn of a program: what it printed, its command, and how quiet the machine was."""
        meter = Meter()
        if program.tool == "start-up":
            command, output = self.start_up(program)
        else:
            command = self.command(program)
            output = json_in(finished(command, environment(program), self.shown(command)), self.shown(command))
        settings = " ".join(f"{name}={value}" for name, value in program.environment.items())
        return {"program": program.name, "command": f"{settings} {self.shown(command)}".strip(), "output": output, **meter.end()}

    def shown(self, command: list[str]) -> str:
        """The command as one would type it in the project's folder: executables by their names, not where they lie on this machine,
        because results and page are for others, too."""
        names = {str(self.binary): "unet-mpi", str(self.python): "python", str(self.onednn): "layers", str(self.fma_peak): "fma_peak",
                 str(self.benchmarks / "pytorch_unet.py"): "benchmarks/pytorch_unet.py"}
        return shlex.join(names.get(part, part) for part in command)

    def start_up(self, program: Program) -> tuple[list[str], dict]:
        """`unet-mpi train` on a sample volume: the time from its start until the record of its first step is in the log, without
        that step's own duration."""
        with tempfile.TemporaryDirectory(prefix="unet-mpi-start-up-") as folder:
            finished([str(self.binary), "sample", "--output", f"{folder}/data"], environment(program), "unet-mpi sample")
            volumes = ["--images", f"{folder}/data/train-volume.tif", "--labels", f"{folder}/data/train-labels.tif"]
            command = [str(self.binary), "train", *volumes, "--output", f"{folder}/run", *program.arguments]
            messages = Path(folder, "messages.txt")
            with messages.open("wb") as sink:
                start = time.monotonic()
                process = subprocess.Popen(command, stdout=sink, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=environment(program))
                try:
                    record = None
                    while record is None and process.poll() is None:
                        time.sleep(0.002)
                        record = first_step(Path(folder, "run", "log.jsonl"))
                    wall = time.monotonic() - start
                    status = process.wait()
                finally:
                    end(process)
            if status != 0 or record is None:
                reason = f"ended with status {status}" if status != 0 else "ended without the record of a step in log.jsonl"
                raise ProgramError(f"unet-mpi train {reason}: {tail(messages.read_text(errors='replace'))}")
            step = sum(record[key] for key in ("compute_s", "exposed_communication_s", "input_wait_s"))
            shown = [part.replace(f"{folder}/", "") for part in command]
            # The program's own figure where it has one; the clock beside it.
            start_up = record.get("start_up_s", wall - step)
            return shown, {"start_up_s": start_up, "logged": "start_up_s" in record, "wall_s": wall - step, "step_s": step}


def first_step(log: Path) -> dict | None:
    """The first complete line of a run's log that is a step's record."""
    try:
        lines = log.read_text().split("\n")[:-1]
    except OSError:
        return None
    return next((record for record in map(json.loads, lines) if "compute_s" in record), None)


def environment(program: Program) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN_SETTINGS)}
    if program.tool in ("python", "onednn"):
        kept["OMP_NUM_THREADS"] = str(program.threads)
    if program.ranks > 1 and os.geteuid() == 0:
        kept.update(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
    return {**kept, **program.environment}


def tail(text: str) -> str:
    return " / ".join(line.strip() for line in text.strip().splitlines()[-3:]) or "no message"


def end(process: subprocess.Popen) -> None:
    """Ends a child that still runs, after an error or Ctrl-C."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def finished(command: list[str], settings: dict[str, str], shown: str) -> str:
    """What a command prints, once it has ended well; `shown` is how messages call it."""
    try:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, env=settings, text=True)
    except OSError as problem:
        raise ProgramError(f"cannot start {shown}: {problem.strerror}") from problem
    try:
        output, messages = process.communicate()
    finally:
        end(process)
    if process.returncode != 0:
        raise ProgramError(f"{shown} ended with status {process.returncode}: {tail(messages or output)}")
    return output


def json_in(output: str, shown: str) -> dict:
    """The JSON object in a program's output; the launcher may print lines before it. `shown` is how messages call the program."""
    start = output.find("{")
    if start >= 0:
        try:
            value, _ = json.JSONDecoder().raw_decode(output[start:])
            return value
        except ValueError:
            pass
    raise ProgramError(f"{shown} printed no JSON object: {tail(output)}")


def built(source: Path, target: Path, flags: tuple[str, ...], libraries: tuple[str, ...], needs: str) -> None:
    """Compiles one of the C++ programs, unless it is newer than its source."""
    if target.exists() and target.stat().st_mtime > source.stat().st_mtime:
        return
    compiler = shutil.which("g++") or shutil.which("c++")
    if compiler is None:
        raise ProgramError("there is no C++ compiler (g++) to build the benchmarks with")
    target.parent.mkdir(parents=True, exist_ok=True)
    command = [compiler, "-std=c++17", "-O2", *flags, "-o", str(target), str(source), *libraries]
    process = subprocess.run(command, capture_output=True, text=True)
    if process.returncode != 0:
        raise ProgramError(f"{shlex.join(command)} failed ({needs}): {tail(process.stderr)}")
