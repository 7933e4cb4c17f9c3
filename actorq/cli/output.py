"""How things are printed: tables and lines for people, one JSON object per line for programs.

Nothing from the database reaches a terminal unchanged: control characters are escaped in text, and
JSON is pure ASCII. How far a long command has come is printed on stderr, apart from its output.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

import msgspec

from actorq.admin import Progress
from actorq.escape import ascii_json, escape

MAX_CELL_CHARS = 60
FIRST_S = 0.1
EVERY_S = 1.0


class ProgressLines:
    """Lines on stderr: the first after a tenth of a second, then at most one per second."""

    def __init__(self) -> None:
        self._next_at = time.monotonic() + FIRST_S

    def __call__(self, progress: Progress) -> None:
        """Print how far the command has come, if it is time for a line."""
        now = time.monotonic()
        if now >= self._next_at:
            self._next_at = now + EVERY_S
            print(f"actorq: {progress}", file=sys.stderr, flush=True)


def print_json(value: object) -> None:
    """Print one object as one line of ASCII JSON."""
    print(ascii_json(msgspec.json.encode(value).decode()))


def raw(text: str | None) -> msgspec.Raw | None:
    """Return JSON text such that it is printed unchanged within an object."""
    return None if text is None else msgspec.Raw(text.encode())


def print_table(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print aligned columns; numbers to the right, None as a dash."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(headers, *cells, strict=True)]
    right = [_is_number(rows, i) for i in range(len(headers))]
    for row in [list(headers), *cells]:
        parts = (
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(row, widths, right, strict=True)
        )
        print("  ".join(parts).rstrip())


def print_fields(pairs: Sequence[tuple[str, object]]) -> None:
    """Print named values, one per line; those that are None are left out."""
    shown = [(name, value) for name, value in pairs if value is not None]
    width = max(len(name) for name, _ in shown)
    for name, value in shown:
        print(f"{name.ljust(width)}  {escape(str(value), 4000)}")


def print_text(text: str, indent: str = "    ") -> None:
    """Print a text of several lines, each escaped and indented."""
    for line in text.splitlines():
        print(f"{indent}{escape(line, 2000)}")


def duration(seconds: float | None) -> str | None:
    """Return a span of time in its largest sensible unit."""
    if seconds is None:
        return None
    sign, seconds = ("-" if seconds < 0 else ""), abs(seconds)
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * size:
            return f"{sign}{seconds / size:.0f}{unit}"
    return f"{sign}{seconds:.1f}s"


class Figure(str):
    """A number as text, which a table puts to the right."""


def span(seconds: float) -> str:
    """Return a duration from a microsecond up, in five characters or little more."""
    if seconds >= 120:
        return f"{duration(seconds)}"
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{short(seconds / size)}{unit}"
    return f"{seconds * 1e6:.0f}us"


def rate(per_s: float) -> Figure:
    """Return a number per second; what is too little to show is not shown as nothing."""
    return Figure("<0.01" if 0 < per_s < 0.005 else short(per_s))


def short(number: float) -> Figure:
    """Return a number in three digits: 0.25, 3.1, 250, 12.3k, 342k, 5M."""
    for unit in ("", "k", "M", "G"):
        if abs(number) < 999.5 or unit == "G":
            break
        number /= 1000
    return Figure(f"{round(number, 2):.3g}{unit}")


def cuts(by_cut: dict[str, int], n_batches: int) -> str | None:
    """Return why most batches had no more jobs, with its share."""
    if not by_cut:
        return None
    cut, n = max(by_cut.items(), key=lambda item: item[1])
    return f"{cut} {100 * n / max(n, n_batches):.0f}%"


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else escape(str(value), MAX_CELL_CHARS)


def _is_number(rows: Sequence[Sequence[object]], i: int) -> bool:
    return any(isinstance(row[i], int | Figure) for row in rows)
