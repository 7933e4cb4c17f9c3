"""What a thread tells the engine when this supervisor, or its present identity, is over."""

from __future__ import annotations


class Fatal:
    """Tell the engine that this supervisor cannot go on, and why."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


class Disowned:
    """Tell the engine that others have declared this node dead."""


class Stopping(Exception):
    """Leave the thread: the engine asked for it, or this identity is over."""
