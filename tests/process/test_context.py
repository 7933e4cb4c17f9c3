"""Each log record that a handler makes knows its kind, batch and job, whatever it configured."""

from __future__ import annotations

import ast
import json
import logging

import msgspec
import pytest

from actorq.args.codec import ArgsCodec
from actorq.core.plan.inputs import HandlerFailed, Outcomes
from actorq.logs import JsonLines
from tests.actor.support import FIRST_ID, kind_of
from tests.process import loggers

ONE, TWO = FIRST_ID, FIRST_ID + 1


def results(messages):
    return [
        msgspec.json.decode(verdict.result or b"null")
        for message in messages
        if isinstance(message, Outcomes)
        for verdict in message.verdicts
    ]


@pytest.mark.parametrize("how", ["as it is", "dictConfig", "factory", "logger class"])
def test_records_know_their_job_whatever_logging_was_configured(actors, how):
    actor = actors.start(kind_of(loggers.PerJob, "job_class", ArgsCodec(str)))
    [seen] = results(actors.run(actor, [how], 7))
    own = "own " if how in ("factory", "logger class") else ""
    assert seen == [
        ["setup", "k", None, None, None],
        [f"{own}job", "k", 7, ONE, 1],
        [f"{own}thread", "k", 7, None, None],
        [f"{own}copy", "k", 7, ONE, 1],
    ]


def test_a_batch_knows_the_job_that_is_marked(actors):
    actor = actors.start(kind_of(loggers.marked))
    messages = actors.run(actor, ["a", "b"], 7)
    assert isinstance(messages[-1], HandlerFailed)
    assert ast.literal_eval(messages[-1].error.message) == [
        ["before", "k", 7, None, None],
        ["a", "k", 7, ONE, 1],
        ["b", "k", 7, TWO, 1],
        ["after", "k", 7, None, None],
        ["begun", "k", 7, ONE, 1],
    ]


@pytest.mark.parametrize("handler", [loggers.stopped_early, loggers.stopped_in_a_thread])
def test_a_mark_does_not_outlive_its_batch(actors, handler):
    actor = actors.start(kind_of(handler))
    for lease in (7, 8):
        assert results(actors.run(actor, ["a", "b"], lease))[0] == [
            ["first", "k", lease, None, None]
        ]


def test_a_batch_of_one_is_that_job(actors):
    actor = actors.start(kind_of(loggers.stopped_early))
    assert results(actors.run(actor, ["a"], 7)) == [[["first", "k", 7, ONE, 1]]]


def test_async_jobs_that_run_at_once_know_themselves(actors):
    actor = actors.start(kind_of(loggers.at_once, "job"))
    first, second = sorted(results(actors.run(actor, [{"name": "a"}, {"name": "b"}], 7)))
    assert first == [["a", "k", 7, ONE, 1], ["a's task", "k", 7, ONE, 1]]
    assert second == [["b", "k", 7, TWO, 1], ["b's task", "k", 7, TWO, 1]]


# ---- what the supervisor makes of it ----


@pytest.fixture
def said(actors, caplog):
    """Let jobs of the handler `says` run; return what is logged, as JSON and as text."""

    def run(*what):
        caplog.set_level(logging.INFO, "actorq")
        actor = actors.start(kind_of(loggers.says, "job"))
        actors.run(actor, [{"what": each} for each in what], 7)
        actor.stop()
        actors.died(actor)
        records = [r for r in caplog.records if r.name == "actorq.actor.k"]
        return [(json.loads(JsonLines().format(r)), r.getMessage()) for r in records]

    return run


def test_a_record_is_one_line_with_its_traceback_and_fields(said):
    [(fields, text)] = said("error")
    assert fields.pop("ts").endswith("Z")
    exc = fields.pop("exc")
    assert exc.startswith("Traceback (most recent call last):\n")
    assert exc.endswith("ValueError: two\nlines")
    assert fields == {
        "level": "ERROR", "logger": "mine", "message": "it\nfailed", "slot": 0,
        "kind": "k", "batch": 7, "job": ONE, "attempt": 1,
        "page": 3, "job_": "theirs", "odd": "{1}",
    }  # fmt: skip
    assert text.startswith(f"k[0] job {ONE}: mine: it\n    failed\n    Traceback (")
    assert text.endswith("\n    ValueError: two\n    lines")


def test_a_line_longer_than_a_pipe_holds_is_cut_and_the_next_is_whole(said):
    printed, logged, after = (fields for fields, _ in said("long", "bytes"))
    assert printed["message"].endswith("...")
    assert "job" not in printed
    assert logged["message"].startswith("yyy")
    assert logged["message"].endswith("…")
    assert (logged["job"], logged["level"]) == (ONE, "WARNING")
    assert after["message"] == "caf\\xe9 \\xff"
    assert (after["kind"], after["slot"], after["logger"]) == ("k", 0, "actorq.actor.k")


def test_a_printed_traceback_is_one_record(said):
    [(fields, _)] = said("print_exc")
    assert fields["message"].startswith("Traceback (most recent call last):\n")
    assert fields["message"].endswith("ValueError: printed")
