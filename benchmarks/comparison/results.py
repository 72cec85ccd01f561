"""The raw results: one JSON file with every run of every row, as the programs printed it."""
from __future__ import annotations

import json
import os
import statistics
from pathlib import Path

FORMAT = 1


class ResultsError(Exception):
    """Stored results that cannot be used; the text is for the user."""


class Results:
    """`rows` has one record a row: `measured` (date), `versions`, `load_average`, `repeats`, and `runs`;
    where there are none, the reason under `failed` or `not_run`."""

    def __init__(self, machine: dict, quick: bool):
        self.machine, self.quick, self.rows = machine, quick, {}

    @staticmethod
    def read(path: Path) -> Results:
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as problem:
            raise ResultsError(f"{path}: {problem}") from problem
        if not isinstance(stored, dict) or stored.get("format") != FORMAT:
            raise ResultsError(f"{path}: not results of this version of benchmarks/run (format {FORMAT})")
        results = Results(stored["machine"], stored["quick"])
        results.rows = stored["rows"]
        return results

    def write(self, path: Path) -> None:
        """Whole or not at all: the file is replaced after each row, and a run may be stopped at any time."""
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"format": FORMAT, "machine": self.machine, "quick": self.quick, "rows": self.rows}, indent=1, ensure_ascii=False)
        part = path.with_name(path.name + ".part")
        part.write_text(text + "\n", encoding="utf-8")
        os.replace(part, path)

    def outputs(self, row: str, program: str) -> list[dict]:
        """What a program printed in each of its turns; empty where it was not run."""
        return [run["output"] for run in self.rows.get(row, {}).get("runs", []) if run["program"] == program]

    def values(self, row: str, program: str, *keys: str) -> list[float]:
        """One figure of each turn, by its path of keys."""
        values = []
        for value in self.outputs(row, program):
            for key in keys:
                value = value.get(key) if isinstance(value, dict) else None
            if isinstance(value, (int, float)):
                values.append(value)
        return values

    def median(self, row: str, program: str, *keys: str) -> float | None:
        """The median over the turns; None where there is no figure."""
        values = self.values(row, program, *keys)
        return statistics.median(values) if values else None
