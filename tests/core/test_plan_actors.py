"""The life of actors: started, ready, too slow, dead."""

from __future__ import annotations

import pytest

from actorq.core import event
from actorq.core.job.model import ErrorInfo
from actorq.core.job.policy import KindPolicy
from actorq.core.plan import actors as plan_actors
from actorq.core.plan import effects as e
from actorq.core.plan import inputs as i
from actorq.core.plan import plan
from actorq.core.plan.state import TEARDOWN_S, Settings
from actorq.core.store_values import Due
from tests.core.desk import DEAD, ERROR, Desk

HEED_S = Settings().heed_s
IMPORT = ErrorInfo("ImportError", "no module")


def with_two_batches(policy: KindPolicy | None = None) -> Desk:
    """One actor with lease 1 (jobs 10, 11) and, behind it, lease 2 (jobs 12, 13)."""
    desk = Desk(policy or KindPolicy(name="k", max_batch=2, retry=10.0))
    desk.start()
    desk.answer(1, [10, 11])
    desk.answer(2, [12, 13])
    desk.nothing_due()
    return desk


def test_every_slot_is_filled_and_refilled() -> None:
    desk = Desk(KindPolicy(name="k", actors=2))
    assert [s.index for s in desk.feed(i.Tick()) if isinstance(s, e.Spawn)] == [0, 1]
    desk.feed(i.Ready(2))
    desk.feed(i.ActorDied(2, DEAD, 0, []))
    assert desk.one(e.Spawn) == e.Spawn(3, "k", 1)


def test_the_batch_that_was_running_is_blamed_and_the_other_one_kept() -> None:
    desk = with_two_batches()
    desk.feed(i.ActorDied(1, DEAD, 1, [1]))
    settlement = desk.one(e.Settle).settlement
    assert (settlement.lease, settlement.closes) == (1, False)
    assert {row.id: row.charge for row in settlement.rows} == {10: "none"}
    desk.written(settlement)
    desk.feed(i.Ready(2))
    assert [send.batch.lease for send in desk.of(e.Send)] == [2]
    desk.feed(i.Outcomes(2, 2, [], [], last=True), after=0.1)
    rows = [row for settle in desk.of(e.Settle) for row in settle.settlement.rows]
    assert {row.id: row.charge for row in rows} == {11: "crashed"}, "as soon as something passes"


def test_a_batch_whose_last_frame_came_before_the_death_is_not_blamed() -> None:
    desk = with_two_batches()
    desk.feed(i.Outcomes(1, 1, [], [], last=True))
    desk.feed(i.ActorDied(1, DEAD, 1, [1]))
    assert desk.of(e.Settle) == []
    assert [held.batch.lease for held in desk.view.kinds["k"].spare] == [2]


def test_what_was_streamed_survives_the_death() -> None:
    desk = with_two_batches()
    desk.feed(i.Outcomes(1, 1, [0], [], last=False))
    desk.feed(i.ActorDied(1, DEAD, 1, [1]))
    settlement = desk.one(e.Settle).settlement
    assert (settlement.done, settlement.closes) == ({0: [10]}, False)
    assert desk.view.held[1].verdict_waits


def test_batches_that_waited_go_first_and_in_their_order() -> None:
    desk = Desk(KindPolicy(name="k", max_batch=1, actors=2))
    desk.start()
    for lease in range(1, 5):
        desk.answer(lease, [lease])
    desk.feed(i.ActorDied(1, DEAD, 0, []))
    assert [held.batch.lease for held in desk.view.kinds["k"].spare] == [1, 3]
    desk.feed(i.Ready(3))
    assert [send.batch.lease for send in desk.of(e.Send)] == [1, 3]


def test_a_kind_that_cannot_start_gives_back_what_it_holds_and_charges_nobody() -> None:
    desk = with_two_batches()
    desk.feed(i.ActorDied(1, DEAD, 0, []))
    assert len(desk.view.kinds["k"].spare) == 2
    desk.feed(i.BootFailed(2, IMPORT))
    desk.feed(i.ActorDied(2, DEAD, 0, []))
    rows = [row for settle in desk.of(e.Settle) for row in settle.settlement.rows]
    assert [row.id for row in rows] == [10, 11, 12, 13]
    assert {row.charge for row in rows} == {"none"}
    assert any(isinstance(happened, event.KindUnavailable) for happened in desk.events)


def test_one_slot_that_fails_to_start_says_nothing_about_the_other() -> None:
    desk = Desk(KindPolicy(name="k", actors=2))
    desk.feed(i.Tick())
    desk.feed(i.ActorDied(1, IMPORT, 0, []))
    assert desk.view.kinds["k"].available is None
    desk.feed(i.ActorDied(2, IMPORT, 0, []))
    assert desk.view.kinds["k"].available is False
    desk.feed(i.Tick(), after=1.0)
    desk.feed(i.Ready(3))
    assert desk.view.kinds["k"].available is True


def test_starts_that_fail_are_slowed_down_and_the_loop_sleeps_until_then() -> None:
    desk = Desk(poll_s=60.0)
    desk.feed(i.Tick())
    desk.feed(i.ActorDied(1, IMPORT, 0, []))
    assert desk.of(e.Spawn) == []
    assert plan.deadline(desk.view, desk.now) == pytest.approx(desk.now + 1.0)
    desk.feed(i.Tick(), after=1.0)
    assert desk.one(e.Spawn).index == 0


def test_one_finished_batch_makes_up_for_all_deaths() -> None:
    desk = Desk(KindPolicy(name="k", max_batch=1))
    desk.start()
    desk.view.kinds["k"].slots[0].n_deaths = 9
    desk.answer(1, [10])
    desk.feed(i.Outcomes(1, 1, [], [], last=True))
    assert desk.view.kinds["k"].slots[0].n_deaths == 0


def test_a_search_for_the_job_that_kills_its_actor_is_not_slowed_down() -> None:
    desk = Desk(KindPolicy(name="k", max_batch=1))
    desk.start()
    desk.nothing_due()
    desk.answer(1)
    desk.view.kinds["k"].slots[0].n_deaths = 9
    desk.feed(i.Tick(), after=5.0)
    desk.due(Due(1, False, None, [77]))
    lease = desk.one(e.Claim).lease
    desk.answer(lease, [10])
    desk.feed(i.ActorDied(1, DEAD, lease, []))
    assert desk.of(e.Spawn)
    desk.feed(i.Ready(2))
    desk.feed(i.ActorDied(2, DEAD, 0, []))
    assert desk.of(e.Spawn) == [], "a death for no reason is"


TIMED = KindPolicy(name="k", max_batch=2, batch_timeout_s=5.0, retry=10.0)


def test_time_runs_from_when_the_batch_was_begun() -> None:
    desk = with_two_batches(TIMED)
    assert desk.feed(i.Tick({}), after=60.0) != [e.KillActor(1)]
    desk.at_rest()
    desk.feed(i.Tick({1: 1}), after=0.0)
    desk.feed(i.Tick({1: 1}), after=4.9 + HEED_S)
    assert desk.of(e.KillActor) == []
    desk.feed(i.Tick({1: 1}), after=0.2)
    assert desk.one(e.KillActor).actor == 1
    desk.feed(i.Tick({1: 1}), after=1.0)
    assert desk.of(e.KillActor) == [], "once is enough"


def test_a_job_that_ran_out_of_time_is_charged_when_it_was_alone() -> None:
    desk = Desk(TIMED)
    desk.start()
    desk.answer(1, [10])
    desk.feed(i.Tick({1: 1}))
    desk.feed(i.Tick({1: 1}), after=5.0 + HEED_S)
    desk.feed(i.ActorDied(1, DEAD, 1, [0]))
    (row,) = desk.one(e.Settle).settlement.rows
    assert row.charge == "crashed"
    assert row.error is not None
    assert row.error.cause == "timeout"


def test_the_job_that_runs_when_the_time_of_its_batch_is_up_runs_again_alone() -> None:
    desk = with_two_batches(TIMED)
    desk.feed(i.Tick({1: 1}))
    desk.feed(i.Tick({1: 1}), after=5.0 + HEED_S)
    desk.feed(i.ActorDied(1, DEAD, 1, [1]))
    rows = {row.id: row for row in desk.one(e.Settle).settlement.rows}
    assert (rows[10].charge, rows[10].suspect) == ("none", 0)
    assert rows[11].charge == "none"
    assert rows[11].suspect > 0


def test_a_kill_that_comes_late_does_not_charge_the_next_batch() -> None:
    desk = with_two_batches(TIMED)
    desk.feed(i.Tick({1: 1}))
    desk.feed(i.Tick({1: 1}), after=5.0 + HEED_S)
    desk.feed(i.Outcomes(1, 1, [], [], last=True))
    desk.written(desk.one(e.Settle).settlement)
    desk.feed(i.ActorDied(1, DEAD, 2, [0]))
    assert desk.of(e.Settle) == []
    assert [held.batch.lease for held in desk.view.kinds["k"].spare] == [2]


def test_a_death_of_an_unknown_actor_is_nothing() -> None:
    assert with_two_batches().feed(i.ActorDied(99, ERROR, 0, [])) == []


def test_an_actor_that_never_gets_ready_is_killed_and_tried_again_later() -> None:
    desk = Desk(KindPolicy(name="k", setup_timeout_s=5.0))
    desk.feed(i.Tick())
    assert desk.feed(i.Tick(), after=4.9) == []
    assert desk.feed(i.Tick(), after=0.1) == [e.KillActor(1)]
    assert desk.feed(i.Tick(), after=0.1) == [], "once"
    desk.feed(i.ActorDied(1, DEAD, 0, []))
    (exited,) = (x for x in desk.events if isinstance(x, event.ActorExited))
    assert (exited.cause, "setup_timeout_s=5" in exited.exit) == ("timeout", True)
    assert desk.of(e.Spawn) == []
    desk.feed(i.Tick(), after=60.0)
    assert desk.one(e.Spawn) == e.Spawn(2, "k", 0)


def test_a_job_that_does_not_heed_its_own_limit_is_ended() -> None:
    desk = Desk(KindPolicy(name="k", max_batch=2, job_timeout_s=5.0, retry=10.0))
    desk.start()
    desk.answer(1, [10, 11])
    desk.nothing_due()
    desk.feed(i.Tick({1: 1}, {1: (0,)}))
    desk.feed(i.Tick({1: 1}, {1: (1,)}), after=4.0)
    desk.feed(i.Tick({1: 1}, {1: (1,)}), after=4.9 + HEED_S)
    assert desk.of(e.KillActor) == [], "the second job began later"
    desk.feed(i.Tick({1: 1}, {1: (1,)}), after=0.2)
    assert desk.one(e.KillActor).actor == 1
    desk.feed(i.ActorDied(1, DEAD, 1, [1]))
    (exited,) = (x for x in desk.events if isinstance(x, event.ActorExited))
    assert exited.exit.endswith("when the time was up (job_timeout_s=5)"), (
        "no limit that is not set"
    )


# ---- retiring --------------------------------------------------------------------------------


def retire(desk: Desk) -> None:
    (actor,) = desk.view.actors.values()
    plan_actors.retire(desk.view, actor, desk.now)
    desk.feed(i.Tick())


def test_a_retiring_actor_ends_its_batch_and_a_fresh_one_takes_the_other() -> None:
    desk = with_two_batches()
    desk.feed(i.Tick({1: 1}))
    retire(desk)
    assert desk.of(e.StopActor) == [e.StopActor(1)]
    assert [recall.lease for recall in desk.of(e.Recall)] == [1, 2]
    assert desk.of(e.Spawn) == [], "its slot may stand for a device with room for one"
    desk.feed(i.Outcomes(1, 1, [], [], last=True))
    assert desk.one(e.Settle).settlement.done == {0: [10, 11]}
    desk.feed(i.Returned(1, 2))
    assert desk.of(e.Settle) == [], "the lease is kept"
    desk.feed(i.ActorDied(1, ErrorInfo("ActorDied", "exit code 0", cause="exit"), 1, []))
    assert desk.one(e.Spawn) == e.Spawn(2, "k", 0)
    desk.feed(i.Ready(2))
    assert [send.batch.lease for send in desk.of(e.Send)] == [2]


def test_retiring_counts_as_no_death_however_often() -> None:
    desk = Desk(KindPolicy(name="k"))
    desk.start()
    desk.at_rest()
    for n in range(1, 20):
        retire(desk)
        desk.feed(i.ActorDied(n, DEAD, 0, []))
        assert desk.one(e.Spawn).actor == n + 1, "at once"
        (exited,) = (x for x in desk.events if isinstance(x, event.ActorExited))
        assert exited.planned
        desk.feed(i.Ready(n + 1))
    assert desk.view.kinds["k"].slots[0].n_deaths == 0


def test_nothing_is_sent_to_an_actor_that_retires() -> None:
    desk = Desk(KindPolicy(name="k", max_batch=2))
    desk.start()
    retire(desk)
    desk.answer(1, [10])
    assert desk.of(e.Send) == []
    assert desk.of(e.Claim) == [], "and nothing more is claimed until the next one is ready"


def test_two_batches_that_come_back_are_sent_on_in_their_order() -> None:
    desk = with_two_batches()
    retire(desk)
    desk.feed(i.Returned(1, 1))
    desk.feed(i.Returned(1, 2))
    desk.feed(i.ActorDied(1, DEAD, 0, []))
    desk.feed(i.Ready(2))
    assert [send.batch.lease for send in desk.of(e.Send)] == [1, 2]


def test_an_actor_that_dies_in_its_last_batch_is_blamed_all_the_same() -> None:
    desk = with_two_batches()
    retire(desk)
    desk.feed(i.ActorDied(1, DEAD, 1, [0]))
    assert [row.id for row in desk.one(e.Settle).settlement.rows] == [11]
    assert desk.view.held[1].verdict_waits
    assert desk.view.kinds["k"].slots[0].n_deaths == 0, "the one that was running is known"


def test_a_teardown_of_a_retiring_actor_has_its_time_and_no_more() -> None:
    desk = with_two_batches()
    retire(desk)
    desk.feed(i.Tick(), after=60.0)
    assert desk.of(e.KillActor) == [], "its batch may take as long as it likes"
    desk.feed(i.Returned(1, 2))
    desk.feed(i.Outcomes(1, 1, [], [], last=True))
    desk.feed(i.Tick())
    desk.feed(i.Tick(), after=TEARDOWN_S - 0.1)
    assert desk.of(e.KillActor) == []
    desk.feed(i.Tick(), after=0.2)
    assert desk.one(e.KillActor).actor == 1
    desk.feed(i.Tick(), after=0.2)
    assert desk.of(e.KillActor) == [], "once"
    desk.feed(i.ActorDied(1, DEAD, 0, []))
    assert desk.one(e.Spawn).actor == 2


def test_what_is_fresh_or_already_ending_is_not_retired() -> None:
    desk = Desk(KindPolicy(name="k"))
    desk.feed(i.Tick())
    retire(desk)
    assert desk.effects == [], "it is still starting"
    desk.feed(i.Ready(1))
    retire(desk)
    retire(desk)
    assert desk.effects == [], "it retires already"


def test_a_stop_while_an_actor_retires_gives_back_what_it_had_not_begun() -> None:
    desk = with_two_batches()
    desk.feed(i.Tick({1: 1}))
    retire(desk)
    desk.feed(i.StopAsked())
    desk.feed(i.Returned(1, 2))
    assert [row.charge for row in desk.one(e.Settle).settlement.rows] == ["none", "none"]
