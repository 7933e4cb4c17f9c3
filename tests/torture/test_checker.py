"""The checker sees each violation: a history is made right, then broken in one place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.torture.runs import Run
from tests.torture.story import A, B, Story
from tests.torture.wal import Change


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return Story(tmp_path)


def test_a_life_without_trouble_is_fine(story: Story) -> None:
    story.claim()
    story.complete()
    assert story.verdict({}) == set()


def test_a_reaped_job_that_runs_again_is_fine(story: Story) -> None:
    story.claim()
    story.bury()
    story.reap()
    story.claim(B, 1)
    story.complete(B, 1, attempt="2")
    assert story.verdict() == set()


def test_a_reaped_job_may_run_beside_its_old_run(story: Story) -> None:
    story.claim(ran=False)
    story.ran(A, 1, 5, 1000)
    story.bury()
    story.reap()
    story.claim(B, 1)
    story.complete(B, 1, attempt="2")
    assert story.verdict() == set()


def test_what_the_dead_have_not_begun_they_may_give_back_uncharged(story: Story) -> None:
    story.bury()
    story.claim(ran=False)
    story.give_back()
    story.claim(B, 1)
    story.complete(B, 1)
    assert story.verdict() == set()


def came_back_from_a_stop(story: Story) -> None:
    """Run under a supervisor that stops, come back uncharged, complete under another."""
    story.claim(A, 1)
    story.commit(story.settling(), story.lease("DELETE", A, 1), story.job(), story.ready("INSERT"))
    story.claim(B, 1)
    story.complete(B, 1)


def test_what_raised_in_a_stop_may_come_back_uncharged(tmp_path: Path) -> None:
    story = Story(tmp_path, "raise_once")
    story.runs.nodes[A].before_stop = frozenset()
    came_back_from_a_stop(story)
    assert story.verdict() == set()


@pytest.mark.parametrize(
    ("behaviour", "before_stop"), [("raise_once", {1}), ("raise_once", None), ("plain", set())]
)
def test_nothing_else_that_ran_may(
    tmp_path: Path, behaviour: str, before_stop: set[int] | None
) -> None:
    story = Story(tmp_path, behaviour)
    story.runs.nodes[A].before_stop = None if before_stop is None else frozenset(before_stop)
    came_back_from_a_stop(story)
    assert story.verdict() == {"unexplained"}


def lost_at_once(s: Story) -> None:
    s.log.pop()


def never_run(s: Story) -> None:
    pass


def left_nowhere_by_a_settle(s: Story) -> None:
    s.claim()
    s.commit(s.settling(), s.lease("DELETE"))


def left_nowhere_by_a_claim(s: Story) -> None:
    s.commit(s.ready("DELETE"))


def in_two_places(s: Story) -> None:
    s.commit(s.lease("INSERT"))


def ready_twice(s: Story) -> None:
    s.commit(s.ready("INSERT"))


def enqueued_twice(s: Story) -> None:
    s.claim()
    s.complete()
    s.row.update(id="2", state="pending", attempt="0")
    s.commit(Change("job", "INSERT", dict(s.row)), Change("ready", "INSERT", {"id": "2"}))


def settled_after_the_end(s: Story) -> None:
    s.claim()
    s.complete()
    s.commit(s.settling(), s.job(state="failed", attempt="2", n_failed="1"))


def brought_back_after_the_end(s: Story) -> None:
    s.claim()
    s.complete()
    s.commit(s.job(state="pending"), s.ready("INSERT"))


def settled_without_a_lease(s: Story) -> None:
    s.claim()
    s.commit(s.settling(), s.job(state="completed", attempt="1"))


def settled_by_a_foreign_lease(s: Story) -> None:
    s.claim(A, 1)
    s.give_back(1)
    s.claim(A, 2)
    s.commit(s.settling(), s.job(state="completed", attempt="1"))


def settled_by_the_dead(s: Story) -> None:
    s.claim()
    s.bury()
    s.complete()


def revived(s: Story) -> None:
    s.bury()
    s.commit(Change("node", "INSERT", {"id": A}))


def lease_used_again(s: Story) -> None:
    s.claim()
    s.give_back()
    s.claim()
    s.complete()


def lease_of_a_job_that_was_not_ready(s: Story) -> None:
    s.claim(A, 1)
    s.commit(s.lease("INSERT", B, 1))


def seq_not_bumped(s: Story) -> None:
    s.claim()
    s.commit(s.settling(), s.lease("UPDATE", seq="0", open="\\x01"))


def opened_again(s: Story) -> None:
    s.claim()
    s.commit(
        s.settling(),
        s.lease("UPDATE", seq="1", open="\\x00"),
        s.job(n_failed="1", attempt="1"),
        s.ready("INSERT"),
    )
    s.commit(s.settling(), s.lease("UPDATE", seq="2", open="\\x01"))


def completed_uncharged(s: Story) -> None:
    s.claim()
    s.settle(state="completed")


def failed_uncounted(s: Story) -> None:
    s.claim()
    s.settle(state="failed", attempt="1")


def reaped_by_the_living(s: Story) -> None:
    s.claim()
    s.reap()


def reaped_uncounted(s: Story) -> None:
    s.claim()
    s.bury()
    s.give_back()


def deleted(s: Story) -> None:
    s.commit(Change("job", "DELETE", {"id": "1"}))


def rolled_back_and_there(s: Story) -> None:
    s.claim()
    s.complete()
    s.known.fail, s.known.ok = s.known.ok, set()


def never_sent(s: Story) -> None:
    s.known.ok.clear()


def acknowledged_and_not_there(s: Story) -> None:
    s.known.ok.add(10**9)


def ran_without_being_there(s: Story) -> None:
    s.runs.of_job[10**9].append(Run(1, (A, 1), 2))


def completed_without_a_run(s: Story) -> None:
    s.claim(ran=False)
    s.complete()


def completed_by_a_run_that_was_cut_off(s: Story) -> None:
    s.claim(ran=False)
    s.ran(A, 1, 5, None)
    s.complete()


def failed_though_nothing_is_wrong_with_it(s: Story) -> None:
    s.claim()
    s.settle(state="failed", attempt="1", n_failed="1")


def charged_for_another(s: Story) -> None:
    s.claim()
    s.commit(
        s.settling(),
        s.lease("DELETE"),
        s.job(attempt="1", n_failed="1"),
        s.ready("INSERT"),
    )
    s.claim(A, 2)
    s.complete(A, 2, attempt="2")


def cancelled_unasked(s: Story) -> None:
    s.claim()
    s.settle(state="cancelled")


def cancelled_and_completed(s: Story) -> None:
    s.known.cancel_asked.add(1)
    s.known.cancelled.add(1)
    s.claim()
    s.complete()


def ran_under_no_lease(s: Story) -> None:
    s.ran(B, 7, 1, 2)
    s.claim()
    s.complete()


def ran_twice_under_one_lease(s: Story) -> None:
    s.claim()
    s.ran(A, 1, 1, 2)
    s.complete()


def ran_for_nothing(s: Story) -> None:
    s.claim(A, 1)
    s.give_back(1)
    s.claim(A, 2)
    s.complete(A, 2)


def ran_twice_at_once(s: Story) -> None:
    s.claim(ran=False)
    s.ran(A, 1, 5, 1000)
    s.settle(attempt="1", n_crashed="1")
    s.log[-1].changes.append(s.ready("INSERT"))
    s.claim(A, 2)
    s.complete(A, 2, attempt="2")


def said_settled_and_is_not(s: Story) -> None:
    s.claim()
    s.complete()
    s.runs.nodes[A].settled[1] = 2


def said_lost_and_is_not(s: Story) -> None:
    s.claim()
    s.complete()
    s.runs.nodes[A].lost.add(1)
    s.runs.nodes[A].stopped = True


def missed(s: Story) -> None:
    s.claim()
    s.complete()
    s.runs.strange.append("settle_missed")


def key_taken_from_a_waiting_job(s: Story) -> None:
    s.commit(Change("unique_key", "INSERT", {"kind": "each", "key": "k", "job": "1"}))
    s.row["id"], s.row["args"] = "2", '{"n": 6}'
    s.commit(
        Change("job", "INSERT", dict(s.row)),
        Change("ready", "INSERT", {"id": "2"}),
        Change("unique_key", "UPDATE", {"kind": "each", "key": "k", "job": "2"}),
    )


BROKEN: list[tuple[Callable[[Story], None], str]] = [
    (lost_at_once, "lost"),
    (never_run, "lost"),
    (left_nowhere_by_a_settle, "nowhere"),
    (left_nowhere_by_a_claim, "nowhere"),
    (in_two_places, "two_places"),
    (ready_twice, "two_places"),
    (enqueued_twice, "duplicated"),
    (settled_after_the_end, "settled_twice"),
    (brought_back_after_the_end, "illegal"),
    (settled_without_a_lease, "stale_applied"),
    (settled_by_a_foreign_lease, "stale_applied"),
    (settled_by_the_dead, "stale_applied"),
    (revived, "illegal"),
    (lease_used_again, "illegal"),
    (lease_of_a_job_that_was_not_ready, "illegal"),
    (seq_not_bumped, "illegal"),
    (opened_again, "illegal"),
    (completed_uncharged, "illegal"),
    (failed_uncounted, "illegal"),
    (reaped_by_the_living, "illegal"),
    (reaped_uncounted, "unexplained"),
    (deleted, "illegal"),
    (rolled_back_and_there, "unexpected"),
    (never_sent, "unexpected"),
    (acknowledged_and_not_there, "lost"),
    (ran_without_being_there, "unexpected"),
    (completed_without_a_run, "wrong"),
    (completed_by_a_run_that_was_cut_off, "wrong"),
    (failed_though_nothing_is_wrong_with_it, "wrong"),
    (charged_for_another, "wrong"),
    (cancelled_unasked, "wrong"),
    (cancelled_and_completed, "wrong"),
    (ran_under_no_lease, "unexplained"),
    (ran_twice_under_one_lease, "unexplained"),
    (ran_for_nothing, "unexplained"),
    (came_back_from_a_stop, "unexplained"),  # there was none
    (ran_twice_at_once, "unexplained"),
    (said_settled_and_is_not, "untrue"),
    (said_lost_and_is_not, "untrue"),
    (missed, "strange"),
    (key_taken_from_a_waiting_job, "unique"),
]


@pytest.mark.parametrize(("tell", "rule"), BROKEN, ids=lambda v: getattr(v, "__name__", v))
def test_a_broken_rule_is_seen(story: Story, tell: Callable[[Story], None], rule: str) -> None:
    tell(story)
    assert rule in story.verdict()
