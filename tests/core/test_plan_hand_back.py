"""Batches that a handler hands back: for a fresh process, or for a rest."""

from __future__ import annotations

from actorq.core import event
from actorq.core.job.model import ErrorInfo
from actorq.core.job.policy import KindPolicy
from actorq.core.plan import effects as e
from actorq.core.plan import inputs as i
from actorq.core.plan.handing_back import MAX_RESTARTS
from actorq.core.store_values import Due
from tests.core.desk import DEAD, ERROR, Desk

GONE = ErrorInfo("RestartActor", "connection gone")
BUSY = ErrorInfo("RestKind", "429")
LEFT = ErrorInfo("ActorDied", "the actor left with exit code 0", cause="exit")


def started(max_batch: int = 2, **settings: object) -> Desk:
    desk = Desk(KindPolicy(name="k", max_batch=max_batch, retry=10.0, **settings))  # type: ignore[arg-type]
    desk.start()
    return desk


def charges(desk: Desk) -> dict[int, str]:
    rows = [row for settle in desk.of(e.Settle) for row in settle.settlement.rows]
    return {row.id: row.charge for row in rows}


def ask_for_a_restart(desk: Desk, actor: int, lease: int, begun: list[int]) -> dict[int, str]:
    """Hand a batch back, see its actor off and the next one ready; returns who was charged."""
    desk.feed(i.HandedBack(actor, lease, GONE, begun))
    charged = charges(desk)
    for settle in desk.of(e.Settle):
        desk.written(settle.settlement)
    desk.feed(i.ActorDied(actor, LEFT, lease, []))
    for _ in range(200):
        if desk.view.actors:
            break
        desk.feed(i.Tick(), after=1.0)
    desk.feed(i.Ready(actor + 1))
    return charged


def claim(desk: Desk, ids: list[int]) -> int:
    """Have these jobs claimed next; returns under which lease."""
    desk.due(Due(1, True, None, [])) if desk.view.due_asked else desk.feed(i.Woken(1))
    lease = next(iter(desk.view.claims))
    desk.answer(lease, ids)
    while desk.view.claims:
        desk.answer(next(iter(desk.view.claims)))
    return lease


def test_a_batch_that_wants_a_fresh_process_is_returned_uncharged_and_gets_one() -> None:
    desk = started()
    desk.answer(1, [10, 11])
    desk.answer(2, [12, 13])
    desk.feed(i.Outcomes(1, 1, [0], [], last=False))
    desk.feed(i.HandedBack(1, 1, GONE, [1]))
    assert charges(desk) == {11: "none"}
    assert desk.one(e.StopActor).actor == 1
    assert desk.one(e.Recall).lease == 2
    named = {type(happened): happened for happened in desk.events}
    assert named[event.BatchHandedBack].n_jobs == 1  # type: ignore[attr-defined]
    assert "connection gone" in named[event.ActorRetired].reason  # type: ignore[attr-defined]
    desk.feed(i.Returned(1, 2))
    desk.feed(i.ActorDied(1, LEFT, 1, []))
    assert desk.one(e.Spawn).actor == 2
    desk.feed(i.Ready(2))
    assert desk.one(e.Send).batch.lease == 2


def test_a_job_that_asks_again_and_again_is_charged_in_the_end() -> None:
    desk = started(max_batch=1)
    desk.at_rest()
    for n in range(1, MAX_RESTARTS + 1):
        assert ask_for_a_restart(desk, n, claim(desk, [10]), [0]) == {10: "none"}
    actor = MAX_RESTARTS + 1
    assert ask_for_a_restart(desk, actor, claim(desk, [10]), [0]) == {10: "failed"}


def test_only_those_that_asked_are_counted() -> None:
    desk = started()
    desk.at_rest()
    for n in range(1, MAX_RESTARTS + 1):
        ask_for_a_restart(desk, n, claim(desk, [10, 10 + n]), [0])
    desk.feed(i.HandedBack(MAX_RESTARTS + 1, claim(desk, [99, 10]), GONE, [1]))
    assert {row.id: row.charge for row in desk.rows()} == {99: "none", 10: "failed"}


def test_a_vectorised_batch_that_asks_too_often_is_searched() -> None:
    desk = started()
    desk.at_rest()
    for n in range(1, MAX_RESTARTS + 1):
        assert set(ask_for_a_restart(desk, n, claim(desk, [10, 11]), []).values()) == {"none"}
    desk.feed(i.HandedBack(MAX_RESTARTS + 1, claim(desk, [10, 11]), GONE, []))
    rows = desk.one(e.Settle).settlement.rows
    assert {row.charge for row in rows} == {"none"}
    assert all(row.suspect for row in rows)


def test_an_outcome_makes_up_for_all_that_was_asked() -> None:
    desk = started(max_batch=1)
    desk.at_rest()
    for n in range(1, MAX_RESTARTS + 1):
        ask_for_a_restart(desk, n, claim(desk, [10]), [0])
    actor = MAX_RESTARTS + 1
    desk.feed(i.Outcomes(actor, claim(desk, [10]), [], [], last=True))
    desk.written(desk.one(e.Settle).settlement)
    assert desk.view.kinds["k"].restarts == {}
    assert ask_for_a_restart(desk, actor, claim(desk, [10]), [0]) == {10: "none"}


def test_restarts_in_a_row_are_slowed_down() -> None:
    desk = started(max_batch=1)
    desk.at_rest()
    waits = []
    for n in range(1, 8):
        before = desk.now
        ask_for_a_restart(desk, n, claim(desk, [100 + n]), [0])
        waits.append(desk.now - before)
    assert waits[:3] == [0, 0, 0], "the first few are on the house"
    assert waits[3:] == sorted(waits[3:])
    assert waits[3] > 0
    desk.feed(i.Outcomes(8, claim(desk, [10]), [], [], last=True))
    before = desk.now
    ask_for_a_restart(desk, 8, claim(desk, [11]), [0])
    assert desk.now == before, "a batch that passed makes up for them"


# ---- a rest ----


def test_a_kind_that_asks_for_a_rest_leaves_its_jobs_to_others() -> None:
    desk = started(actors=2)
    desk.answer(1, [10, 11])
    desk.answer(2, [12, 13])
    desk.answer(3, [14, 15])
    desk.feed(i.HandedBack(1, 1, BUSY, [0], rest_s=30.0))
    assert charges(desk) == {10: "none", 11: "none"}
    assert {recall.lease for recall in desk.of(e.Recall)} == {2, 3}
    assert desk.of(e.StopActor) == [], "there is nothing wrong with the process"
    (resting,) = (x for x in desk.events if isinstance(x, event.KindResting))
    assert (resting.rest_s, resting.error) == (30.0, "RestKind: 429")
    desk.feed(i.Returned(1, 3))
    assert charges(desk) == {14: "none", 15: "none"}
    desk.feed(i.Outcomes(2, 2, [], [], last=True))
    assert desk.one(e.Settle).settlement.done == {0: [12, 13]}, "what ran goes on"


def test_nothing_of_a_kind_that_rests_is_claimed_or_sent() -> None:
    desk = started(max_batch=1)
    desk.answer(1, [10])
    lease = next(iter(desk.view.claims))
    desk.feed(i.HandedBack(1, 1, BUSY, [0], rest_s=30.0))
    desk.answer(lease, [11])
    assert desk.of(e.Send) == []
    assert charges(desk) == {11: "none"}
    for settle in desk.of(e.Settle):
        desk.written(settle.settlement)
    desk.at_rest()
    desk.feed(i.Woken(1), after=29.0)
    assert desk.of(e.Claim) == []
    desk.feed(i.Woken(1), after=2.0)
    assert desk.of(e.Claim)


def test_the_longest_rest_counts() -> None:
    desk = started(max_batch=1, actors=2)
    desk.answer(1, [10])
    desk.answer(2, [11])
    desk.feed(i.HandedBack(1, 1, BUSY, [0], rest_s=30.0))
    desk.feed(i.HandedBack(2, 2, BUSY, [0], rest_s=5.0))
    assert desk.view.kinds["k"].quarantine.rest_until == desk.now + 30.0


def test_what_is_handed_back_by_nobody_known_is_nothing() -> None:
    desk = started()
    assert desk.feed(i.HandedBack(99, 1, GONE, [])) == []
    assert desk.feed(i.HandedBack(1, 99, GONE, [])) == []


# ---- recycling ----


def test_an_actor_gets_so_many_batches_and_leaves_after_the_last() -> None:
    desk = started(max_batch=1, max_batches=3)
    desk.answer(1, [10])
    desk.answer(2, [11])
    desk.feed(i.Outcomes(1, 1, [], [], last=True))
    desk.answer(3, [12])
    assert [send.batch.lease for send in desk.of(e.Send)] == [3]
    assert desk.one(e.StopActor).actor == 1
    assert desk.of(e.Recall) == [], "it runs what it has"
    desk.feed(i.Outcomes(1, 2, [], [], last=True))
    desk.feed(i.Outcomes(1, 3, [], [], last=True))
    assert desk.of(e.Send) == []
    desk.feed(i.ActorDied(1, LEFT, 3, []))
    assert desk.one(e.Spawn).actor == 2
    assert desk.view.kinds["k"].slots[0].n_deaths == 0


def test_actors_of_age_are_replaced_one_after_the_other() -> None:
    desk = started(actors=2, max_age_s=60.0)
    desk.at_rest()
    desk.feed(i.Tick(), after=59.0)
    assert desk.of(e.StopActor) == []
    desk.feed(i.Tick(), after=2.0)
    assert [stop.actor for stop in desk.of(e.StopActor)] == [1]
    desk.feed(i.ActorDied(1, LEFT, 0, []))
    desk.feed(i.Tick(), after=1.0)
    assert desk.of(e.StopActor) == [], "or nobody could work meanwhile"
    desk.feed(i.Ready(3))
    desk.feed(i.Tick(), after=1.0)
    assert [stop.actor for stop in desk.of(e.StopActor)] == [2]


def test_an_actor_that_has_grown_is_replaced() -> None:
    desk = started(max_rss=1 << 30)
    desk.feed(i.Grown(1, 2 << 30))
    assert desk.one(e.StopActor).actor == 1
    (retired,) = (x for x in desk.events if isinstance(x, event.ActorRetired))
    assert retired.reason == "it has 2,147,483,648 bytes, max_rss=1,073,741,824"
    desk.feed(i.Grown(1, 2 << 30))
    assert desk.of(e.StopActor) == [], "once"
    desk.feed(i.Grown(99, 2 << 30))


# ---- once -----------------------------------------------------------------------------------

ONCE = KindPolicy(name="k", max_batch=3, max_attempts=1, retry=10.0, job_timeout_s=5.0)


def killed_while_running(policy: KindPolicy, running: tuple[int, ...]) -> dict[int, str]:
    """Return the states of jobs 10, 11, 12, whose process was killed for a job's time."""
    desk = Desk(policy)
    desk.start()
    desk.answer(1, [10, 11, 12])
    desk.feed(i.Tick({1: 1}, {1: running}))
    desk.feed(i.Tick({1: 1}, {1: running}), after=6.1)
    desk.feed(i.ActorDied(1, DEAD, 1, list(running)))
    rows = desk.rows()
    return {row.id: row.state if row.charge != "none" else "" for row in rows}


def test_a_job_with_one_attempt_has_failed_however_that_ended() -> None:
    assert killed_while_running(ONCE, (1,)) == {10: "", 11: "failed", 12: ""}
    desk = Desk(KindPolicy(name="k", max_batch=1, max_attempts=1, crash_budget=3))
    desk.start()
    desk.answer(1, [10])
    desk.feed(i.ActorDied(1, DEAD, 1, [0]))
    (row,) = desk.rows()
    assert (row.state, row.charge) == ("failed", "crashed")


def test_a_job_that_used_up_its_own_time_needs_no_second_run_to_be_charged() -> None:
    policy = KindPolicy(name="k", max_batch=3, retry=10.0, job_timeout_s=5.0)
    assert killed_while_running(policy, (1,)) == {10: "", 11: "pending", 12: ""}


def test_a_job_with_one_attempt_that_ran_when_its_batchs_time_was_up_is_not_run_again() -> None:
    policy = KindPolicy(name="k", max_batch=3, max_attempts=1, batch_timeout_s=5.0)
    assert killed_while_running(policy, (2,)) == {10: "", 11: "", 12: "failed"}
    desk = Desk(policy)
    desk.start()
    desk.answer(1, [10, 11])
    desk.feed(i.HandlerFailed(1, 1, ErrorInfo("T", "", cause="timeout"), [0]))
    assert {row.id: row.state for row in desk.rows()} == {10: "failed", 11: "pending"}


def test_an_exception_of_a_fatal_type_leaves_no_attempt() -> None:
    desk = started(max_batch=1, max_attempts=9)
    desk.answer(1, [10])
    desk.feed(i.HandlerFailed(1, 1, ErrorInfo("ValueError", "bad", final=True), []))
    (row,) = desk.rows()
    assert (row.state, row.charge) == ("failed", "failed")
    assert not ERROR.final
