"""Tables of plain text in a given width and height."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from actorq.cli.output import Figure


class Line(NamedTuple):
    """A line of a frame, and how it is shown: "", "bold", "dim", "red", "yellow", "heading"."""

    text: str
    style: str = ""


class TableRow(NamedTuple):
    """The cells of a line of a table; a `Figure` stands at the right of its column."""

    cells: tuple[str, ...]
    style: str = ""


class TextTable(NamedTuple):
    """A table with its headings, of which the first names it."""

    name: str
    headings: tuple[str, ...]
    rows: list[TableRow]


MIN_NAME = 8
"""To how many characters the first column shrinks, before the last ones are cut off."""


def lines(table: TextTable, width: int, n_rows: int) -> list[Line]:
    """Return a table's heading and the rows for which there is room; the others are counted."""
    fits = len(table.rows) <= n_rows
    shown = table.rows if fits else table.rows[: max(0, n_rows - 1)]
    widths = _widths(table, shown, width)
    right = [
        any(isinstance(row.cells[place], Figure) for row in shown)
        for place in range(len(table.headings))
    ]
    found = [Line(_joined(table.headings, widths, right, width), "heading")]
    found += [Line(_joined(row.cells, widths, right, width), row.style) for row in shown]
    if not fits and n_rows > 0:
        found.append(Line(f"… {len(table.rows) - len(shown)} more"[:width], "dim"))
    return found


def _widths(table: TextTable, shown: Sequence[TableRow], width: int) -> list[int]:
    columns = zip(table.headings, *(row.cells for row in shown), strict=True)
    widths = [max(map(len, column)) for column in columns]
    over = sum(widths) + len(widths) - 1 - width
    if over > 0:
        widths[0] = max(MIN_NAME, widths[0] - over)
    return widths


def _joined(cells: Sequence[str], widths: list[int], right: list[bool], width: int) -> str:
    parts = [
        _cut(cell, n).rjust(n) if to_right else _cut(cell, n).ljust(n)
        for cell, n, to_right in zip(cells, widths, right, strict=True)
    ]
    return " ".join(parts).rstrip()[:width]


def _cut(text: str, n: int) -> str:
    return text if len(text) <= n else f"{text[: n - 1]}…"


def shares(n: int, wanted: Sequence[int]) -> list[int]:
    """Divide n rows among tables: none gets more than it wants, the small ones first."""
    given = [0] * len(wanted)
    left = n
    order = sorted(range(len(wanted)), key=lambda place: wanted[place])
    for done, place in enumerate(order):
        given[place] = min(wanted[place], left // (len(order) - done))
        left -= given[place]
    return given
