"""The report of a supervisor: asked of the engine, and written only while somebody looks."""

from __future__ import annotations

import math
import os
from typing import Any

import msgspec

from actorq.core.report import ActorReport, NodeReport, Report
from actorq.errors import StoreError
from actorq.store.session.faults import Forbidden
from actorq.supervisor.asked import Asked, Told
from actorq.supervisor.duties.report import REPORT_S, WriteReport
from actorq.supervisor.usage import UNKNOWN, usage

ACTOR = ActorReport("k", 0, 1, os.getpid(), "idle", 0.5)
REPORT = Report("running", 0, [], [], [ACTOR])


class Store:
    """Take reports, while somebody looks."""

    def __init__(self, is_watched: bool, error: StoreError | None = None) -> None:
        self.is_watched, self.error = is_watched, error
        self.reports: list[NodeReport] = []

    def report(self, text: bytes) -> None:
        if self.error is not None:
            raise self.error
        self.reports.append(msgspec.json.decode(text, type=NodeReport))


class Round:
    """Run the duty in rounds half a second apart, as the heart does, and answer as the engine."""

    def __init__(self, store: Store, answers: bool = True) -> None:
        self.store, self.answers, self.now = store, answers, 1000.0
        self.n_asked, self.told = 0, list[StoreError]()
        self.duty = WriteReport(self._post, self.told.append)

    def __call__(self) -> float | None:
        self.now += 0.5
        store: Any = self.store
        return self.duty.run(store, self.now)

    def _post(self, item: object) -> None:
        assert isinstance(item, Asked)
        self.n_asked += 1
        if self.answers:
            item.answer(Told("me", REPORT, {}))


def test_nobody_looks_nothing_is_asked_or_written() -> None:
    turn = Round(Store(False))
    for _ in range(5):
        assert turn() is None
    assert (turn.n_asked, turn.store.reports) == (0, [])


def test_a_report_is_written_a_round_after_it_was_asked_for_once_a_second() -> None:
    turn = Round(Store(True))
    turn()
    assert (turn.n_asked, turn.store.reports) == (1, [])
    turn()
    (found,) = turn.store.reports
    assert found.report.phase == "running"
    assert found.memory_mb
    assert found.report.actors[0].memory_mb
    for _ in range(8):
        turn()
    assert turn.n_asked == len(turn.store.reports) == 10 * 0.5 / REPORT_S


def test_an_engine_that_does_not_answer_leaves_nothing_to_write() -> None:
    turn = Round(Store(True), answers=False)
    for _ in range(4):
        turn()
    assert turn.store.reports == []


def test_what_was_answered_is_forgotten_when_nobody_looks_any_more() -> None:
    turn = Round(Store(True))
    turn()
    turn.store.is_watched = False
    turn()
    turn.store.is_watched = True
    turn()
    assert turn.store.reports == []


def test_a_role_that_may_not_report_does_all_else() -> None:
    turn = Round(Store(True, Forbidden("permission denied for table report")))
    turn()
    assert turn() == math.inf
    assert [str(error) for error in turn.told] == ["permission denied for table report"]


def test_of_a_process_that_is_gone_nothing_is_known() -> None:
    assert usage(2**22 + 1) == UNKNOWN
    mine = usage(os.getpid())
    assert mine.cpu_s is not None
    assert mine.cpu_s > 0
