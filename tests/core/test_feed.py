"""The order of events: right for each job, complete, and each once, however it is read."""

from __future__ import annotations

from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorq.core.following.cursor import Cursor, parsed
from actorq.core.following.events import OUTCOMES, FollowedEvent, Gap, JobEvent, SupervisorEvent
from actorq.core.following.feed import ChangeRow, DroppedRow, Look, ToldRow, told
from actorq.errors import ConfigError


def lane(number: int) -> tuple[str, str]:
    return "q", f"k{number}"


def events(cursor: Cursor, look: Look) -> list[FollowedEvent]:
    return list(told(cursor, look, lane))


def row(source: str, no: int, at: float, *ids: int, state: str = "completed") -> ChangeRow:
    counts = [
        (1, len(ids) if state == "completed" else 0, 0, len(ids) if state == "retried" else 0, 0, 0)
    ]
    done = [[1, 1, list(ids)]] if state == "completed" else []
    others = [[1, id_, state, 1, 3.0] for id_ in ids] if state != "completed" else []
    return ChangeRow(source, no, at, counts, (done, others))


def fresh() -> Cursor:
    return Cursor("s", 0.0)


class History:
    """Jobs that are tried several times by two nodes with two settlers each, in the order of time.

    A change is seen only once it has committed, some time after its statement began; a job's next
    change begins after that. Each series commits in the order of its numbers.
    """

    def __init__(self, seed: int) -> None:
        random = Random(seed)
        self.commits: list[tuple[float, ChangeRow]] = []
        free_at = dict.fromkeys([(node, parity) for node in "ab" for parity in (0, 1)], 0.0)
        next_no = {(node, parity): 2 - parity for node, parity in free_at}
        ready_at = dict.fromkeys(range(6), 0.0)
        attempts = dict.fromkeys(ready_at, 0)
        for _ in range(40):
            series = random.choice(sorted(free_at))
            job = random.choice(sorted(ready_at))
            at = max(free_at[series], ready_at[job]) + random.random()
            attempts[job] += 1
            change = ChangeRow(
                series[0], next_no[series], at, [(1, 0, 0, 1, 0, 0)],
                ([], [[1, job, "retried", attempts[job], 0.0]]),
            )  # fmt: skip
            free_at[series] = ready_at[job] = at + random.random() * 3
            next_no[series] += 2
            self.commits.append((free_at[series], change))

    def look(self, cursor: Cursor, now: float, limit: int) -> Look:
        """Return what a look at this time brings."""
        found: list[ChangeRow] = []
        for source in "ab":
            for parity in (0, 1):
                read = cursor.series_of(source, parity).no
                seen = [
                    c for at, c in self.commits
                    if at <= now and (c.source, c.parity) == (source, parity) and c.no > read
                ]  # fmt: skip
                found += sorted(seen, key=lambda c: c.no)[:limit]
        return Look(found, limit=limit)


@given(st.integers(0, 10**6), st.integers(1, 5), st.booleans())
def test_nothing_is_missing_or_twice_and_each_job_is_in_order(
    seed: int, limit: int, is_resumed: bool
) -> None:
    history, random, cursor = History(seed), Random(seed), fresh()
    end = max(at for at, _ in history.commits)
    got: list[JobEvent] = []
    now = 0.0
    while now <= end or history.look(cursor, end + 1, limit).changes:
        now += random.random() * 4
        for event in told(cursor, history.look(cursor, now, limit), lane):
            if isinstance(event, JobEvent):
                got.append(event)
            if is_resumed and random.random() < 0.2:  # another process goes on from here
                cursor = parsed(cursor.text())
                break
    by_job: dict[int, list[int]] = {}
    for event in got:
        by_job.setdefault(event.id, []).append(event.attempt)
    assert len(got) == len(history.commits)
    assert all(attempts == list(range(1, len(attempts) + 1)) for attempts in by_job.values())


def test_a_change_read_in_part_goes_on_where_it_was_left() -> None:
    cursor, look = fresh(), Look([row("a", 1, 1.0, 7, 8, 9)])
    moves = told(cursor, look, lane)
    assert isinstance(next(moves), JobEvent)
    again = parsed(cursor.text())
    assert [e.id for e in events(again, look) if isinstance(e, JobEvent)] == [8, 9]
    assert events(again, look) == []


def test_a_gap_says_exactly_how_many_jobs_came_to_what() -> None:
    cursor = fresh()
    events(cursor, Look([row("a", 1, 1.0, 7, 8), row("a", 2, 1.5, 9, state="retried")]))
    look = Look([row("a", 7, 3.0, 5)], [DroppedRow("a", 1, 5, 2.0, [12, 1, 0, 0, 2])])
    gap, then = events(cursor, look)
    assert isinstance(gap, Gap)
    assert gap.jobs == {"completed": 10, "failed": 1, "cancelled": 2}
    assert isinstance(then, JobEvent)
    assert events(cursor, look) == []


@pytest.mark.parametrize("state", ["completed", "retried"])
def test_what_was_told_of_a_change_that_is_dropped_then_is_in_no_gap(state: str) -> None:
    cursor, change = fresh(), row("a", 1, 1.0, 7, 8, 9, state=state)
    moves = told(cursor, Look([change, row("b", 1, 0.5, 1, 2)]), lane)
    for _ in range(4):
        next(moves)  # all of b, two of a
    again = parsed(cursor.text())
    numbers = [3 if name == state else 0 for name in OUTCOMES]
    gap, *rest = events(again, Look([], [DroppedRow("a", 1, 1, 2.0, numbers)]))
    assert isinstance(gap, Gap)
    assert gap.jobs == {state: 1}
    assert not rest
    assert again.partly == {}


def test_a_gap_that_was_told_is_not_told_again_when_its_change_is_dropped() -> None:
    cursor = fresh()
    unnamed = ChangeRow("a", 1, 5.0, [(1, 2, 0, 0, 0, 0)], None)
    assert isinstance(next(told(cursor, Look([unnamed]), lane)), Gap)
    again = parsed(cursor.text())
    assert events(again, Look([], [DroppedRow("a", 1, 1, 6.0, [2, 0, 0, 0, 0])])) == []


def test_what_was_dropped_after_it_was_read_is_no_gap() -> None:
    cursor = fresh()
    events(cursor, Look([row("a", 1, 1.0, 7), row("a", 3, 2.0, 8)]))
    assert events(cursor, Look([], [DroppedRow("a", 1, 1, 3.0, [1, 0, 0, 0, 0])])) == []


def test_changes_that_name_no_jobs_are_a_gap_unless_they_are_older_than_the_follower() -> None:
    unnamed = ChangeRow("a", 1, 5.0, [(1, 2, 0, 0, 0, 0), (2, 3, 0, 0, 0, 1)], None)
    (gap,) = events(fresh(), Look([unnamed]))
    assert isinstance(gap, Gap)
    assert gap.jobs == {"completed": 5, "cancelled": 1}
    assert events(Cursor("s", 0.0, since=5.0), Look([unnamed])) == []


def test_events_of_a_supervisor_are_numbered_and_what_is_missing_is_a_gap() -> None:
    def tale(no: int, *names: str) -> ToldRow:
        return ToldRow("n", no, len(names), 1.0, [(1.0, name, {"kind": "k"}) for name in names])

    cursor = fresh()
    first = events(cursor, Look([], told=[tale(2, "a", "b"), tale(6, "f")]))
    assert [(type(e), getattr(e, "number", 0)) for e in first] == [
        (SupervisorEvent, 1), (SupervisorEvent, 2), (Gap, 0), (SupervisorEvent, 6),
    ]  # fmt: skip
    assert [e.n_events for e in first if isinstance(e, Gap)] == [3]
    assert events(cursor, Look([], told=[tale(6, "f")])) == []


def test_a_mark_of_a_node_that_was_not_known_is_no_gap() -> None:
    cursor = fresh()
    found = events(
        cursor,
        Look([], told=[ToldRow("n", 500, 0, 1.0, []), ToldRow("n", 501, 1, 2.0, [(1.0, "x", {})])]),
    )
    assert [type(e) for e in found] == [SupervisorEvent]


@pytest.mark.parametrize("text", ["", "x", "{}", '{"schema": 1, "at": 0}', 5])
def test_what_is_no_cursor_is_refused_by_a_sentence(text: Any) -> None:
    with pytest.raises(ConfigError, match="not a cursor"):
        parsed(text)


def test_a_cursor_is_one_line() -> None:
    cursor = fresh()
    events(cursor, Look([row("a", 1, 1.0, 7)]))
    assert "\n" not in cursor.text()
    assert msgspec.to_builtins(parsed(cursor.text())) == msgspec.to_builtins(cursor)
