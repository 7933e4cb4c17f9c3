"""What a supervisor tells of itself, and what it counts of what it has done."""

from __future__ import annotations

import pytest

from actorq.core.job.model import Verdict
from actorq.core.job.policy import KindPolicy
from actorq.core.plan import effects as e
from actorq.core.plan import inputs as i
from actorq.core.report import ActorReport, Report
from actorq.core.reporting import report
from tests.core.desk import DEAD, ERROR, Desk


def told(desk: Desk) -> Report:
    return report(desk.view, {1: 4711}, desk.now)


def actor(desk: Desk) -> ActorReport:
    (found,) = told(desk).actors
    return found


def test_an_actor_loads_idles_and_runs_a_batch() -> None:
    desk = Desk()
    desk.feed(i.Tick())
    desk.now += 2.0
    assert (actor(desk).doing, actor(desk).since_s, actor(desk).pid) == ("loading", 2.0, 4711)
    assert told(desk).kinds[0].doing == "starting"
    desk.feed(i.Ready(1))
    assert (actor(desk).doing, actor(desk).n_jobs) == ("idle", 0)
    desk.answer(1, [10, 11, 12])
    desk.feed(i.Tick({1: 1}), after=1.0)
    desk.now += 3.0
    found = actor(desk)
    assert (found.doing, found.since_s, found.lease, found.n_jobs) == ("running", 3.0, 1, 3)
    assert [(lane.kind, lane.n_batches, lane.n_running) for lane in told(desk).lanes] == [
        ("k", 1, 3)
    ]


def test_an_actor_that_is_free_again_idles_since_it_answered() -> None:
    desk = Desk()
    desk.start()
    desk.answer(1, [10])
    desk.feed(i.Outcomes(1, 1, [], [], last=True), after=5.0)
    desk.now += 1.5
    assert (actor(desk).doing, actor(desk).since_s) == ("idle", 1.5)


def test_suspects_are_told_with_the_size_of_their_group() -> None:
    desk = Desk()
    desk.start()
    desk.answer(1, [10, 11, 12, 13])
    desk.feed(i.Tick({1: 1}))
    desk.feed(i.HandlerFailed(1, 1, ERROR, []))
    (kind,) = told(desk).kinds
    assert [(group.n, group.bad, group.crashed) for group in kind.groups] == [(4, True, False)]
    assert kind.doing == "doubted"
    assert (kind.limit, kind.max_batch) == (4, 4)


def test_a_resting_kind_and_its_actors_rest() -> None:
    desk = Desk()
    desk.start()
    desk.view.kinds["k"].quarantine.rest(DEAD, desk.now)
    (kind,) = told(desk).kinds
    assert (kind.doing, kind.resting_s) == ("resting", 1.0)
    assert "ActorDied" in kind.fault
    assert actor(desk).doing == "resting"


def test_what_was_committed_is_counted_where_somebody_asks_for_it() -> None:
    desk = Desk(KindPolicy(name="k", max_batch=4, max_attempts=1))
    desk.view.done = {}
    desk.start()
    desk.answer(1, [10, 11, 12, 13])
    failed = [Verdict(1, "error", error=ERROR)]
    desk.feed(i.Outcomes(1, 1, [], failed, last=True), after=0.5)
    settlement = desk.one(e.Settle).settlement
    assert desk.view.done == {}
    desk.feed(i.Settled([settlement], frozenset({1}), refused=frozenset({12})))
    figures = desk.view.done[1]
    assert (figures.outcomes, figures.n_batches) == ((2, 2, 0, 0, 0), 1)
    assert (figures.sizes, figures.cuts) == ({4: 1}, {"full": 1})


@pytest.mark.parametrize("applied", [True, False])
def test_what_was_not_written_is_not_counted(applied: bool) -> None:
    desk = Desk()
    desk.view.done = {}
    desk.start()
    desk.answer(1, [10, 11])
    desk.feed(i.Outcomes(1, 1, [], [], last=True))
    desk.written(desk.one(e.Settle).settlement, applied=applied)
    assert bool(desk.view.done) == applied
