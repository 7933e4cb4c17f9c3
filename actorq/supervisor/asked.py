"""Asking a supervisor what it is doing, from any thread: the question and the answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from actorq.core.counters.figures import Figures
from actorq.core.plan.state import View
from actorq.core.report import Report
from actorq.core.reporting import report


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


def answer(node: str, view: View, pids: Mapping[int, int], now: float) -> Told:
    """Return what a supervisor is doing, and a copy of what it has done."""
    done: dict[tuple[str, str], Figures] = {}
    for lane, figures in (view.done or {}).items():
        total = done[view.lanes[lane].queue, view.lanes[lane].kind] = Figures()
        total.count(figures.outcomes)
        total.add(figures)
    return Told(node, report(view, pids, now), done)
