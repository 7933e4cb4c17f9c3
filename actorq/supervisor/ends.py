"""How threads report to the engine, and what they report when this supervisor or node is over."""

from __future__ import annotations

from collections.abc import Callable

Post = Callable[[object], None]
"""A function that reports to the engine what has happened."""


class Fatal:
    """The report that this supervisor cannot go on, and why."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


class Disowned:
    """The report that others have declared this node dead."""


class Stopping(Exception):
    """The end of a thread: the engine asked for it, or this identity is over."""
