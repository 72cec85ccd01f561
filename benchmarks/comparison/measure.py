"""Measures one row: its programs take turns, so that a slow phase of the machine meets all of them alike."""
from __future__ import annotations

import datetime
import os
from typing import Callable

from .programs import ProgramError, Tools
from .rows import OURS_AVX2, Program, Row


def programs_for(row: Row, instruction_set: str) -> list[Program]:
    """Without what would only repeat another program on this machine."""
    return [program for program in row.programs if program.name != OURS_AVX2 or instruction_set == "avx512"]


def measured(row: Row, tools: Tools, machine: dict, versions: dict, repeats: int, say: Callable[[str], None]) -> dict:
    """A row's record for the results. A program's failure becomes the record's `failed`, so that a night's run goes on; `not_run` is
    the reason why this machine cannot run the row."""
    record = {
        "measured": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "versions": versions,
        "load_average": round(os.getloadavg()[0], 2),
        "repeats": repeats,
    }
    if row.cores > machine["cores"]:
        return {**record, "not_run": f"needs {row.cores} cores, here are {machine['cores']}", "runs": []}
    programs, runs = programs_for(row, machine["instruction_set"]), []
    for turn in range(repeats):
        for program in programs:
            say(f"{row.title}: {turn + 1} of {repeats}, {program.name}")
            try:
                runs.append(tools.run(program))
            except ProgramError as problem:
                return {**record, "failed": str(problem), "runs": []}
    return {**record, "runs": runs}
