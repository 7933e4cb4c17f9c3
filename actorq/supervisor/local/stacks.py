"""Where a handler was when its process crashed: what faulthandler prints, as a traceback. No I/O.

Fatal Python error: Segmentation fault
Thread 0x… (most recent call first):            a block for each thread; ours are left out,
File "…/actorq/actor/loop.py", line 9 in …     as are our frames around the handler's
Current thread 0x… (most recent call first):
File "handlers.py", line 12 in resize
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from actorq.actor.texts import ends

BEGIN = "Fatal Python error: "
MAX_LINES = 2_000
"""Faulthandler prints 100 threads at most; few have more than twenty frames."""

_OURS = f'  File "{Path(__file__).parents[2]}{os.sep}'
_THREADS = f'  File "{os.path.dirname(os.__file__)}{os.sep}threading.py"'


class Stacks:
    """The last stacks that faulthandler has printed in the output of one actor."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def feed(self, lines: Iterable[str]) -> None:
        """Take the next lines that the actor has printed."""
        for line in lines:
            if line.startswith(BEGIN):
                self._lines = [line]
            elif self._lines and len(self._lines) < MAX_LINES:
                self._lines.append(line)

    def text(self) -> str:
        """Return the stacks of the handler's threads, the crashed one first; may be empty."""
        blocks: list[list[str]] = []
        for line in self._lines:
            if line.startswith(("Thread 0x", "Current thread 0x")):
                blocks.append([line])
            elif line.startswith("  File ") and blocks:
                blocks[-1].append(line)
        shown = [block for block in map(_of_handler, blocks) if block]
        shown.sort(key=lambda block: not block[0].startswith("Current"))
        return ends("\n".join(line for block in [self._lines[:1], *shown] for line in block))


def _of_handler(block: list[str]) -> list[str]:
    """Return a thread's stack up to our call of the handler; nothing for a thread of ours."""
    title, *frames = block
    whose = next((k for k, line in enumerate(frames) if not line.startswith(_THREADS)), 0)
    if frames and frames[whose].startswith(_OURS):
        return block if title.startswith("Current") else []
    until = next((k for k, line in enumerate(frames) if line.startswith(_OURS)), len(frames))
    return [title, *frames[:until]]
