"""What the measurements ran on, and how much of it was left to them."""
from __future__ import annotations

import os
import platform
import re
import time


def read(path: str) -> str:
    """A file's text; empty where the system has no such file."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def usable_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def instruction_set(flags: set[str]) -> str:
    """The name that unet-mpi has for the best of what the CPU's flags (as Linux spells them) allow."""
    if {"avx512f", "avx512bw", "avx512dq", "avx512vl"} <= flags:
        return "avx512"
    return "avx2" if {"avx2", "fma"} <= flags else "baseline"


def description() -> dict:
    """The machine as it goes into the results. Two descriptions are equal when figures may stand in one table."""
    cpuinfo = read("/proc/cpuinfo")

    def field_of(name: str) -> str:
        match = re.search(rf"^{name}\s*:\s*(.*)$", cpuinfo, re.MULTILINE)
        return match.group(1).strip() if match else ""

    memory = re.search(r"^MemTotal:\s*(\d+) kB", read("/proc/meminfo"), re.MULTILINE)
    flags = set(field_of("flags").split())
    name = re.search(r'^PRETTY_NAME="?([^"\n]*)', read("/etc/os-release"), re.MULTILINE)
    model = field_of("model name") or platform.processor() or platform.machine()
    if field_of("cpu family"):
        model += f" (family {field_of('cpu family')}, model {field_of('model')})"
    return {
        "cpu": model,
        "cores": usable_cores(),
        "instruction_set": instruction_set(flags),
        "virtual": "hypervisor" in flags,
        "memory_gib": round(int(memory.group(1)) / 2**20, 1) if memory else None,
        "system": name.group(1) if name else platform.system(),
        "kernel": platform.release(),
    }


class Meter:
    """How much of the machine others used (and the hypervisor took) while a program of ours ran, in cores. None where
    /proc/stat is missing, or the time was too short to tell."""

    def __init__(self):
        self.start = self.now()

    @staticmethod
    def now() -> tuple[float, float, float, float] | None:
        fields = read("/proc/stat").split("\n", 1)[0].split()
        if len(fields) < 9 or fields[0] != "cpu":
            return None
        user, nice, system, _, _, interrupts, soft_interrupts, stolen = (int(text) / os.sysconf("SC_CLK_TCK") for text in fields[1:9])
        times = os.times()
        own = times.user + times.system + times.children_user + times.children_system
        return time.monotonic(), user + nice + system + interrupts + soft_interrupts, stolen, own

    def end(self) -> dict:
        end = self.now()
        if self.start is None or end is None:
            return {"other_cores": None, "stolen_cores": None}
        wall, busy, stolen, own = (after - before for after, before in zip(end, self.start))
        # The kernel counts in hundredths of a second on every core; over less than half a second that says little.
        if wall < 0.5:
            return {"other_cores": None, "stolen_cores": None}
        return {"other_cores": round(max(0.0, busy - own) / wall, 3), "stolen_cores": round(stolen / wall, 3)}
