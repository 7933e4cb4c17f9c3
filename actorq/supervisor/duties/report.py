"""The duty that writes what this supervisor is doing while somebody looks."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from actorq.core.report import ActorReport, NodeReport, Report
from actorq.errors import StoreError
from actorq.store.session.faults import Forbidden
from actorq.supervisor.asked import Asked, Told
from actorq.supervisor.duties.duty import EACH_ROUND, Duty
from actorq.supervisor.ends import Post
from actorq.supervisor.usage import usage

if TYPE_CHECKING:
    from actorq.store.queue.queue import QueueStore

REPORT_S = 1.0
"""How often to report."""


class WriteReport(Duty):
    """The report about once a second: asked of the engine in one round, written in the next."""

    def __init__(self, post: Post, report: Callable[[StoreError], None]) -> None:
        super().__init__(EACH_ROUND)
        self._post, self._report = post, report
        self._told: Told | None = None
        self._ask_at = 0.0

    def run(self, store: QueueStore, now: float) -> float | None:
        """Write the last answer if there is one; ask again if it is time to."""
        if not store.is_watched:
            self._told, self._ask_at = None, 0.0
            return None
        told, self._told = self._told, None
        try:
            if told is not None:
                store.report(msgspec.json.encode(measured(told.report)))
        except Forbidden as exc:
            self._report(exc)
            return math.inf  # a role that may not report can do everything else
        if now >= self._ask_at:
            self._ask_at = now + REPORT_S
            self._post(Asked(self._hear))
        return None

    def _hear(self, told: Told) -> None:
        """Keep the answer; called in the engine's thread."""
        self._told = told


def measured(report: Report) -> NodeReport:
    """Return a report with what this process and its actors use."""
    actors = [_measured(actor) for actor in report.actors]
    return NodeReport(msgspec.structs.replace(report, actors=actors), *usage(os.getpid()))


def _measured(actor: ActorReport) -> ActorReport:
    used = usage(actor.pid)
    return msgspec.structs.replace(actor, cpu_s=used.cpu_s, memory_mb=used.memory_mb)
