"""What a follower was told wrongly is seen: a story is followed, then retold with one fault."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from actorq.core.following.cursor import Cursor
from tests.torture import history
from tests.torture.checker import Checker
from tests.torture.follow import last_cursor
from tests.torture.history import Writer
from tests.torture.story import NOBODY, WORK, A, B, Story

Events = list[list[Any]]
START = Cursor("s", 0.0).text()


@pytest.fixture
def story(tmp_path: Path) -> Story:
    """Tell of a job that is lost by A, tried in vain and then completed by B."""
    story = Story(tmp_path, "raise_once")
    story.claim()
    story.bury()
    story.reap()
    story.claim(B, 1)
    story.commit(
        story.settling(B), story.lease("DELETE", B, 1),
        story.job(attempt="2", n_failed="1"), story.ready("INSERT"),
    )  # fmt: skip
    story.claim(B, 2)
    story.complete(B, 2, attempt="3")
    return story


@pytest.fixture
def events(story: Story) -> Events:
    states = ["retried", "retried", "completed"]
    return [["job", 1, state, k, story.kind] for k, state in enumerate(states, 1)]


def judged(story: Story, events: Events, start: Cursor | None = None) -> set[str]:
    """Return the rules that were broken, by what was written down behind a cursor."""
    checker = Checker(WORK, story.known, story.runs)
    checker.check(story.log)
    first = start.text() if start else START
    checker.follow("f", [([], first), (events, "")])
    return {violation.rule for violation in checker.violations}


def test_all_once_in_order_is_fine(story: Story, events: Events) -> None:
    assert judged(story, events) == set()


def test_a_gap_accounts_for_what_was_not_told(story: Story, events: Events) -> None:
    gap = ["gap", NOBODY, {"retried": 1}, 0]
    assert judged(story, [gap, *events[1:]]) == set()


def test_what_was_before_the_start_need_not_be_told(story: Story, events: Events) -> None:
    start = Cursor("s", 0.0)
    start.series_of(NOBODY, 0).no = 2
    assert judged(story, events[1:], start) == set()
    assert judged(story, events, start) == {"told_twice"}


@pytest.mark.parametrize(
    ("at", "since", "wrong"), [("00:00:10", 60.0, set()), ("00:02:00", 60.0, {"untold"})]
)
def test_what_had_begun_before_the_start_need_not_either(
    story: Story, events: Events, at: str, since: float, wrong: set[str]
) -> None:
    (lost,) = [c for t in story.log for c in t.changes if c.row.get("source") == NOBODY]
    lost.row["at"] = f"1970-01-01 {at}+00"
    assert judged(story, events[1:], Cursor("s", 0.0, since)) == wrong


def untold(events: Events) -> Events:
    return events[:-1]


def untold_at_all(events: Events) -> Events:
    return []


def told_of_a_gap_that_is_too_small(events: Events) -> Events:
    return [["gap", B, {"retried": 1}, 0], events[0]]


def told_of_a_gap_of_another(events: Events) -> Events:
    return [["gap", A, {"retried": 1}, 0], *events[1:]]


def told_of_a_gap_without_numbers(events: Events) -> Events:
    return [["gap", A, None, None], *events]


def told_twice(events: Events) -> Events:
    return [*events, events[-1]]


def told_and_in_a_gap(events: Events) -> Events:
    return [*events, ["gap", B, {"completed": 1}, 0]]


def told_out_of_order(events: Events) -> Events:
    return [events[0], events[2], events[1]]


def told_what_was_not(events: Events) -> Events:
    return [*events, ["job", 1, "failed", 3, events[0][4]]]


def told_of_another_kind(events: Events) -> Events:
    return [*events[:-1], [*events[-1][:4], "another"]]


def told_of_no_job(events: Events) -> Events:
    return [*events, ["job", 99, "completed", 1, events[0][4]]]


def snoozed_and_not_counted(events: Events) -> Events:
    return [*events, ["job", 1, "snoozed", 1, events[0][4]]]


def told_twice_of_a_supervisor(events: Events) -> Events:
    return [*events, ["node", A, 1], ["node", A, 1]]


def told_of_a_supervisor_out_of_order(events: Events) -> Events:
    return [*events, ["node", A, 2], ["node", A, 1]]


@pytest.mark.parametrize(
    ("tell", "rule"),
    [
        (untold, "untold"), (untold_at_all, "untold"), (told_of_a_gap_that_is_too_small, "untold"),
        (told_of_a_gap_of_another, "untold"), (told_of_a_gap_without_numbers, "untold"),
        (told_twice, "told_twice"), (told_and_in_a_gap, "told_twice"),
        (told_out_of_order, "disorder"), (told_what_was_not, "untrue"),
        (told_of_another_kind, "untrue"), (told_of_no_job, "untrue"),
        (snoozed_and_not_counted, "told_twice"), (told_twice_of_a_supervisor, "told_twice"),
        (told_of_a_supervisor_out_of_order, "disorder"),
    ],
)  # fmt: skip
def test_what_is_told_wrongly_is_seen(
    story: Story, events: Events, tell: Callable[[Events], Events], rule: str
) -> None:
    assert rule in judged(story, tell(events))


def test_a_follower_that_wrote_nothing_is_seen(story: Story) -> None:
    checker = Checker(WORK, story.known, story.runs)
    checker.check(story.log)
    checker.follow("f", [])
    assert {violation.rule for violation in checker.violations} == {"untold"}


def test_the_last_cursor_is_found_though_a_kill_tore_the_last_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert last_cursor(tmp_path, "f") is None
    for name in ("first", "second"):
        Writer(tmp_path, "follow-f").write("told", [], f"{name} cursor")
    (last,) = [p for p in history.files(tmp_path, "follow-f") if "second" in p.read_text()]
    with last.open("ab") as file:
        file.write(b'["told",1,[],"torn')
    assert last_cursor(tmp_path, "f") == "second cursor"
    monkeypatch.setattr(history, "TAIL", 60)  # of which the first line is torn, too
    assert last_cursor(tmp_path, "f") == "first cursor"
    Writer(tmp_path, "follow-f")  # one that was killed before it wrote anything
    assert last_cursor(tmp_path, "f") == "first cursor"
