"""What was run is counted when it is committed, and said once a minute."""

from __future__ import annotations

from actorq.core import event
from actorq.core.job.model import Row, Settlement, Verdict
from actorq.core.job.tally import Tally
from actorq.core.plan import effects as e
from actorq.core.plan import inputs as i
from actorq.core.plan.totals import TELL_S
from tests.core.desk import ERROR, Desk


def told(desk: Desk) -> list[event.JobsRun]:
    return [one for one in desk.events if isinstance(one, event.JobsRun)]


def settled(*rows: Row, done: tuple[int, ...] = ()) -> Settlement:
    return Settlement(1, 0, {0: list(done)}, list(rows))


def test_each_outcome_is_counted_as_what_it_is() -> None:
    tally = Tally()
    rows = [
        Row(1, 0, "completed", result=b"1"),
        Row(2, 0, "failed", "failed", error=ERROR),
        Row(3, 0, "cancelled"),
        Row(4, 0, "pending", "failed", retry_in_s=9.0),
        Row(5, 0, "pending"),
    ]
    assert tally.add(settled(*rows, done=(6, 7)), frozenset()) == 3
    assert tally == Tally(completed=3, failed=1, cancelled=1, later=1)


def test_what_the_database_refuses_has_failed_whatever_was_sent() -> None:
    tally = Tally()
    rows = [Row(1, 0, "completed", result=b"1"), Row(2, 0, "pending", retry_in_s=1.0)]
    assert tally.add(settled(*rows, done=(6, 7)), frozenset({1, 2, 7})) == 1
    assert tally == Tally(completed=1, failed=3)


def test_once_a_minute_a_supervisor_says_what_it_has_run() -> None:
    desk = Desk()
    desk.start()
    desk.answer(1, [10, 11])
    desk.feed(i.Outcomes(1, 1, [], [Verdict(1, "fail", error=ERROR)], last=True))
    for effect in desk.of(e.Settle):
        desk.written(effect.settlement)
    assert not told(desk)
    desk.feed(i.Tick(), after=TELL_S)
    assert told(desk) == [event.JobsRun(TELL_S, 1, 1, 0, 0, 0)]
    desk.feed(i.Tick(), after=TELL_S)
    assert not told(desk), "nothing was run and nothing runs"


def test_what_runs_for_minutes_is_said_to_be_under_way() -> None:
    desk = Desk()
    desk.start()
    desk.answer(1, [10, 11])
    desk.feed(i.Tick(), after=TELL_S)
    assert told(desk) == [event.JobsRun(TELL_S, 0, 0, 0, 0, 2)]
