"""Telling how far a command is that may take long: on stderr, so that its output stays its own."""

from __future__ import annotations

import sys
import time

FIRST_S = 0.1
EVERY_S = 1.0


class Progress:
    """Say something after a tenth of a second, and from then on once a second."""

    def __init__(self) -> None:
        self._next_at = time.monotonic() + FIRST_S

    def __call__(self, text: str) -> None:
        """Print the text if it is time for a line."""
        now = time.monotonic()
        if now >= self._next_at:
            self._next_at = now + EVERY_S
            print(f"actorq: {text}", file=sys.stderr, flush=True)
