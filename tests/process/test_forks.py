"""A process that a handler forks never becomes a second actor, wherever it comes out."""

from __future__ import annotations

import logging
from pathlib import Path

import msgspec
import pytest

from tests.actor.support import kind_of
from tests.process import forks
from tests.process.forks import HOW

CODES = {"returns": 0, "raises": 1, "exits": 3}


@pytest.fixture
def notes(tmp_path):
    return tmp_path / "notes"


def results(messages) -> dict[int, object]:
    told = [verdict for message in messages for verdict in getattr(message, "verdicts", [])]
    assert len({verdict.pos for verdict in told}) == len(told)
    return {verdict.pos: msgspec.json.decode(verdict.result) for verdict in told}


def lines(path: Path) -> list[tuple[str, int]]:
    found = [line.rpartition(" ") for line in path.read_text().splitlines()]
    return [(what, int(pid)) for what, _, pid in found]


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize(
    ("handler", "shape"),
    [
        (forks.each, "job"),
        (forks.each_async, "job"),
        (forks.marked, "batch"),
        (forks.whole, "batch"),
        (forks.Marked, "class"),
    ],
)
def test_a_child_that_comes_out_of_a_handler_ends_there(actors, notes, handler, shape, how):
    actor = actors.start(kind_of(handler, shape, env={"EXTRA": str(notes)}))
    args = [{"what": what} if shape == "job" else what for what in ("a", how, "b")]
    said = actors.run(actor, args)
    assert results(said) == {0: "a", 1: CODES[how], 2: "b"}
    assert said[-1].last
    assert sum(pid == actor.pid for _, pid in lines(notes)) == 3
    if handler is not forks.whole and handler is not forks.Marked:  # … whose body goes on
        assert len(lines(notes)) == 3
    assert actors.run(actor, args[:1], 2)[-1].last


@pytest.mark.parametrize("how", HOW)
def test_a_child_that_comes_out_of_setup_ends_there(actors, notes, how):
    kind = kind_of(forks.ForkedInSetup, "class", env={"EXTRA": str(notes), "HOW": how})
    actor = actors.start(kind)
    assert results(actors.run(actor, [1])) == {0: CODES[how]}
    assert lines(notes) == [("handle", actor.pid)]


@pytest.mark.parametrize("how", HOW)
def test_a_child_that_comes_out_of_teardown_ends_there(actors, notes, how):
    kind = kind_of(forks.ForkedInTeardown, "class", env={"EXTRA": str(notes), "HOW": how})
    actor = actors.start(kind)
    actor.stop()
    died = actors.died(actor)
    assert died.code == 0
    assert ("teardown", actor.pid) in lines(notes)


def test_it_is_told_what_became_of_the_child(actors, notes, caplog):
    caplog.set_level(logging.INFO, "actorq")
    actor = actors.start(kind_of(forks.each, "job", env={"EXTRA": str(notes)}))
    actors.run(actor, [{"what": "returns"}, {"what": "raises"}])
    actor.stop()
    actors.died(actor)
    text = "\n".join(record.getMessage() for record in caplog.records)
    assert "forked by the handler" in text
    assert "RuntimeError: the child raises" in text


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_the_standard_librarys_pools_work_in_a_handler(actors, method):
    actor = actors.start(kind_of(forks.pools))
    assert results(actors.run(actor, [method])) == {0: [0, 1, 4, 9] * 2}
