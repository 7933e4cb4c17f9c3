"""How threads report to the engine, and what they report when this supervisor or node is over."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from actorq.core.counters.figures import Figures
from actorq.core.report import Report

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


class Told(NamedTuple):
    """A supervisor's answer: a report, and what it has done, by queue and kind, if it counts that.

    It shares nothing with the engine, so that any thread may read it.
    """

    node: str
    report: Report
    done: dict[tuple[str, str], Figures]


class Asked:
    """The question what this supervisor is doing; `answer` is called in the engine's thread."""

    def __init__(self, answer: Callable[[Told], object]) -> None:
        self.answer = answer
