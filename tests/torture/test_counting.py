"""What is counted wrongly is seen: in a transaction, in a fold, when changes are dropped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.torture.story import LANE, NOBODY, A, B, Story
from tests.torture.wal import Change

MINUTE = "2026-01-01 10:00:00+00"


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return Story(tmp_path)


def completed(story: Story) -> None:
    """Complete the job: change 1 of A counts it."""
    story.claim()
    story.complete()


def minute(verb: str = "INSERT", n: int = 1, at: str = MINUTE) -> Change:
    row: dict[str, str | None] = {"at": at, "lane": str(LANE), "source": A}
    numbers = {f"n_{name}": "0" for name in ("failed", "retried", "snoozed", "cancelled")}
    return Change("minute", verb, row | numbers | {"n_completed": str(n)})


def series(no: int, dropped_no: int = 0, n: int = 0, verb: str = "INSERT") -> Change:
    row: dict[str, str | None] = {"source": A, "parity": "1", "folded_no": str(no)}
    return Change(
        "series", verb, row | {"dropped_no": str(dropped_no), "dropped": f"{{{n},0,0,0,0}}"}
    )


def change_gone(no: int = 1) -> Change:
    return Change("change", "DELETE", {"source": A, "no": str(no)})


def test_folding_dropping_and_deleting_minutes_is_fine(story: Story) -> None:
    completed(story)
    story.commit(minute(), series(1), change_gone(), series(1, 1, 1, "UPDATE"))
    story.commit(minute("DELETE"))
    assert story.verdict(counted=[(story.kind, "completed", 1)]) == set()


def test_a_reap_is_counted_by_a_change_of_nobody(story: Story) -> None:
    story.claim()
    story.bury()
    story.reap()
    assert story.log[-1].changes[-1].row["source"] == NOBODY
    story.claim(B, 1)
    story.complete(B, 1, attempt="2")
    assert story.verdict() == set()


def test_some_of_those_that_came_back_uncharged_may_be_snoozed(story: Story) -> None:
    def settled_as(n: int) -> Change:
        change = story.settling()
        change.row["counts"] = f"[[{LANE}, 0, 0, 0, {n}, 0]]"
        return change

    for k, n in enumerate((0, 1, 2), 1):
        story.claim(A, k, ran=False)
        story.commit(settled_as(n), story.lease("DELETE", A, k), story.job(), story.ready("INSERT"))
        assert ("miscounted" in story.verdict()) == (n == 2)


def wrong_number(s: Story) -> None:
    s.claim()
    change = s.settling()
    change.row["counts"] = f"[[{LANE}, 2, 0, 0, 0, 0]]"
    s.commit(change, s.lease("DELETE"), s.job(state="completed", attempt="1"))


def wrong_outcome(s: Story) -> None:
    s.claim()
    change = s.settling()
    change.row["counts"] = f"[[{LANE}, 0, 1, 0, 0, 0]]"
    s.commit(change, s.lease("DELETE"), s.job(state="completed", attempt="1"))


def wrong_lane(s: Story) -> None:
    s.claim()
    change = s.settling()
    change.row["counts"] = f"[[{LANE + 1}, 1, 0, 0, 0, 0]]"
    s.commit(change, s.lease("DELETE"), s.job(state="completed", attempt="1"))


def counted_and_not_written(s: Story) -> None:
    completed(s)
    change = s.settling()
    change.row["counts"] = f"[[{LANE}, 1, 0, 0, 0, 0]]"
    s.commit(change)


def written_and_not_counted(s: Story) -> None:
    s.claim()
    s.bury()
    s.reap()
    s.log[-1].changes.pop()


def counted_by_the_next_transaction(s: Story) -> None:
    completed(s)
    (change,) = [c for c in s.log[-1].changes if c.table == "change"]
    s.log[-1].changes.remove(change)
    s.commit(change)


def folded_twice(s: Story) -> None:
    completed(s)
    s.commit(minute(), series(1))
    s.commit(minute("UPDATE", 2), series(1, verb="UPDATE"))


def folded_into_two_minutes(s: Story) -> None:
    completed(s)
    s.commit(minute(), minute(at="2026-01-01 10:01:00+00"), series(1))


def folded_and_not_added(s: Story) -> None:
    completed(s)
    s.commit(series(1))


def folded_back(s: Story) -> None:
    completed(s)
    s.commit(minute(), series(1))
    s.commit(series(0, verb="UPDATE"))


def dropped_unfolded(s: Story) -> None:
    completed(s)
    s.commit(change_gone())


def dropped_untold(s: Story) -> None:
    completed(s)
    s.commit(minute(), series(1))
    s.commit(change_gone(), series(1, 1, 0, "UPDATE"))


def dropped_from_the_middle(s: Story) -> None:
    completed(s)
    change = s.settling()
    change.row["counts"] = "[]"
    s.commit(change)
    s.commit(minute(), series(3))
    s.commit(change_gone(3), series(3, 3, 0, "UPDATE"))


@pytest.mark.parametrize(
    "tell",
    [
        wrong_number, wrong_outcome, wrong_lane, counted_and_not_written, written_and_not_counted,
        counted_by_the_next_transaction, folded_twice, folded_into_two_minutes,
        folded_and_not_added, folded_back, dropped_unfolded, dropped_untold,
        dropped_from_the_middle,
    ],
)  # fmt: skip
def test_what_is_counted_wrongly_is_seen(story: Story, tell: Callable[[Story], None]) -> None:
    tell(story)
    assert "miscounted" in story.verdict()


@pytest.mark.parametrize(
    ("counted", "is_right"),
    [([("kind", "completed", 1)], True), ([("kind", "completed", 2)], False), ([], False)],
)
def test_the_databases_own_sums_are_compared(
    story: Story, counted: list[tuple[Any, ...]], is_right: bool
) -> None:
    completed(story)
    found = story.verdict(counted=[(story.kind, *rest) for _, *rest in counted])
    assert found == (set() if is_right else {"miscounted"})


def test_a_number_that_comes_late_is_seen(story: Story) -> None:
    completed(story)
    (change,) = [c for c in story.log[-1].changes if c.table == "change"]
    change.row["no"] = "5"
    nothing = Change("change", "INSERT", {"source": A, "no": "3", "counts": "[]"})
    story.commit(nothing)
    assert story.verdict() == set()  # a statement that is late by far writes nothing
    nothing.row["counts"] = f"[[{LANE}, 0, 0, 0, 0, 0]]"
    assert "disorder" in story.verdict()
