"""Tables and numbers as the page writes them."""
from __future__ import annotations

from typing import Iterable

NOT_RUN = "not run"


def table(header: list[str], lines: Iterable[list[str]]) -> str:
    """A Markdown table."""
    rows = [header, ["---"] * len(header), *lines]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |" for row in rows)


def significant(value: float | None, digits: int = 3) -> str:
    """A number to three digits that mean something, without an exponent: 0.0123, 1.23, 123, 1230."""
    if value is None:
        return NOT_RUN
    if value == 0:
        return "0"
    return f"{float(f'{value:.{digits}g}'):.{max(0, digits - 1 - magnitude(value, digits))}f}"


def magnitude(value: float, digits: int) -> int:
    """The power of ten of the first digit, after rounding."""
    return int(f"{abs(value):.{digits - 1}e}".split("e")[1])


def seconds(value: float | None) -> str:
    """A duration with its unit."""
    if value is None:
        return NOT_RUN
    return f"{significant(value)} s" if value >= 1 else f"{significant(value * 1e3)} ms"


def ratio(value: float | None) -> str:
    return NOT_RUN if value is None else f"{value:.2f}"


def percent(value: float | None) -> str:
    return NOT_RUN if value is None else f"{100 * value:.1f} %"


def whole(value: float | None) -> str:
    return NOT_RUN if value is None else f"{value:.0f}"


def quotient(numerator: float | None, denominator: float | None) -> float | None:
    return numerator / denominator if numerator is not None and denominator else None
