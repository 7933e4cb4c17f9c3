"""The model follows blocks and deaths, and knows how a job's row may change."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.torture.model import legal
from tests.torture.story import WORK, Story
from tests.torture.wal import Change


def test_two_jobs_charged_for_one_death_are_seen(tmp_path: Path) -> None:
    story = Story(tmp_path)
    other = {**story.row, "id": "2", "args": f'{{"n": {story.n + 300_000}}}'}
    story.commit(Change("job", "INSERT", other), Change("ready", "INSERT", {"id": "2"}))
    both = [Change("ready", "DELETE", {"id": i}) for i in "12"]
    story.commit(*both, story.lease("INSERT", jobs="{1,2}"))
    crashed = {"attempt": "1", "n_crashed": "1"}
    story.commit(
        story.settling(), story.lease("DELETE"),
        story.job(**crashed), Change("job", "UPDATE", {**other, **crashed}),
        *(Change("ready", "INSERT", {"id": i}) for i in "12"),
    )  # fmt: skip
    assert "blame" in story.verdict()


@pytest.mark.parametrize(("rest", "rule"), [("2", ""), (None, "nowhere"), ("{1,2}", "two_places")])
def test_what_is_left_of_a_block_is_followed(tmp_path: Path, rest: str | None, rule: str) -> None:
    story = Story(tmp_path)
    other = {**story.row, "id": "2", "args": f'{{"n": {story.n + 300_000}}}'}
    block: dict[str, str | None] = {"lane": "1", "id": "1", "jobs": "{1,2}"}
    story.commit(
        story.ready("DELETE"), Change("job", "INSERT", other), Change("ready", "INSERT", block)
    )
    row = {"lane": "1", "id": "2", "jobs": rest if rest != "2" else None}
    story.commit(
        Change("ready", "DELETE", {"lane": "1", "id": "1"}),
        story.lease("INSERT"),
        *([Change("ready", "INSERT", row)] if rest else []),
    )
    assert story.verdict() & {"nowhere", "two_places", "illegal"} == ({rule} if rule else set())


def test_a_wrong_result_is_seen(tmp_path: Path) -> None:
    story = Story(tmp_path, "result")
    story.claim()
    story.complete()
    assert story.verdict({1: WORK.result(story.n)}) == set()
    assert "wrong" in story.verdict({1: "another"})
    assert "wrong" in story.verdict({})


def test_attempt_rises_with_each_charge_and_nothing_else() -> None:
    assert legal("completed", 1, (0, 0, 0))
    assert not legal("completed", 1, (1, 0, 0))
    assert legal("pending", 0, (0, 0, 0))
    assert legal("pending", 1, (0, 0, 1))
    assert not legal("pending", 1, (0, 0, 0))
    assert not legal("pending", 2, (1, 1, 0))
    assert not legal("failed", 0, (0, 0, 0))
    assert not legal("cancelled", 0, (-1, 1, 0))
