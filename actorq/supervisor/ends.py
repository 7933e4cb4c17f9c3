"""How threads tell the engine, and what they tell when this supervisor or its identity is over."""

from __future__ import annotations

from collections.abc import Callable

Post = Callable[[object], None]
"""Tells the engine of what has happened."""


class Fatal:
    """Tell the engine that this supervisor cannot go on, and why."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


class Disowned:
    """Tell the engine that others have declared this node dead."""


class Stopping(Exception):
    """Leave the thread: the engine asked for it, or this identity is over."""
