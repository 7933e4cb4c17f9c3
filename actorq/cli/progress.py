"""Reports of how far a long command has come: on stderr, apart from its output."""

from __future__ import annotations

import sys
import time

from actorq.admin import Progress

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
