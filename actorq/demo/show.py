"""What the demo shows: progress by rich on a terminal, plain lines elsewhere, tables."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol, TextIO

LINE_EVERY_S = 2.0


class Advance(Protocol):
    """A function that is told how many more jobs are done."""

    def __call__(self, n: int) -> None:
        """Count `n` jobs."""


@contextmanager
def progress(out: TextIO, title: str, total: int) -> Iterator[Advance]:
    """Show how far something has come: a bar on a terminal, else a line every two seconds."""
    try:
        from rich import console, progress
    except ImportError:
        rich_here = False
    else:
        rich_here = True
    if not (rich_here and out.isatty()):
        yield _Lines(out, title, total)
        return
    columns = (
        progress.TextColumn("{task.description:<34}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeElapsedColumn(),
    )
    with progress.Progress(*columns, console=console.Console(file=out)) as bar:
        task = bar.add_task(title, total=total)
        yield lambda n: bar.advance(task, n)


class _Lines:
    def __init__(self, out: TextIO, title: str, total: int) -> None:
        self._out, self._title, self._total = out, title, total
        self._n = 0
        self._next = time.monotonic() + LINE_EVERY_S

    def __call__(self, n: int) -> None:
        self._n += n
        now = time.monotonic()
        if now >= self._next or self._n == self._total:
            print(f"{self._title}: {self._n:,} of {self._total:,}", file=self._out, flush=True)
            self._next = now + LINE_EVERY_S


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return columns of text: the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(width) if at == 0 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in [head, ["─" * width for width in widths], *rows]
    ]
    return "\n".join(lines)


def shortened(text: str, width: int) -> str:
    """Return the text on one line of at most `width` characters."""
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 1] + "…"


def printable(stream: TextIO) -> None:
    """Ensure that no character makes printing fail, whatever the locale can show."""
    if stream is sys.stdout or stream is sys.stderr:
        stream.reconfigure(errors="replace")  # type: ignore[attr-defined]
