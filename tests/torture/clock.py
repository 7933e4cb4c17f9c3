"""Make this process's clock wrong: up to an hour off, and somewhere else every few seconds."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable

OFF_S = 3600.0
STEP_S = 3.0


def skew(seed: int) -> None:
    """Let the clock on the wall lie from now on; the monotonic one stays as it is."""
    true = time.time

    def off() -> float:
        step = int(time.monotonic() / STEP_S)
        return random.Random(f"{seed} {os.getpid()} {step}").uniform(-OFF_S, OFF_S)

    tell: Callable[[], float] = lambda: true() + off()  # noqa: E731
    time.time = tell
    time.time_ns = lambda: int(tell() * 1e9)
