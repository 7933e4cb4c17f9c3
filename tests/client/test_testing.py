"""What actorq offers to the tests of its users."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

from actorq import (
    App,
    Batch,
    ConfigError,
    Done,
    Fail,
    RestartActor,
    RestKind,
    cancel,
    done,
    fail,
    retry,
    snooze,
)
from actorq.errors import ArgsInvalid
from actorq.testing import Raised, assert_enqueued, run

app = App("dbname=unused")


class Doc(msgspec.Struct):
    path: str


@app.actor("batch", max_batch=3)
class PerBatch:
    def setup(self, slot: int) -> None:
        self.sizes: list[int] = []

    def handle(self, batch: Batch[Doc]) -> list[Any]:
        self.sizes.append(len(batch))
        return [(job.args.path, len(self.sizes)) for job in batch]

    def teardown(self) -> None:
        torn_down.append(self.sizes)


torn_down: list[list[int]] = []


@app.actor("job")
def per_job(what: str) -> Any:
    answers: dict[str, Any] = {
        "retry": retry(5, "later"),
        "snooze": snooze(7),
        "fail": fail("bad"),
        "cancel": cancel("no"),
        "none": None,
    }
    if what == "raise":
        raise LookupError("lost")
    return answers.get(what, what)


@app.actor("whole")
def whole(batch: Batch[str]) -> None:
    batch[0].done("first")
    raise OSError("all the others")


def test_a_class_runs_in_batches_between_setup_and_teardown() -> None:
    outcomes = run(PerBatch, [Doc(str(i)) for i in range(4)])
    assert outcomes == [done(["0", 1]), done(["1", 1]), done(["2", 1]), done(["3", 2])]
    assert torn_down.pop() == [3, 1]


def test_each_job_has_its_outcome() -> None:
    told = run(per_job, ["retry", "snooze", "fail", "cancel", "none", "x", "raise"])
    assert told[:6] == [
        *(retry(5.0, "later"), snooze(7.0), fail("bad"), cancel("no"), done(), done("x")),
    ]
    error = told[6]
    assert isinstance(error, Raised)
    assert (error.error.type, error.error.message) == ("LookupError", "lost")


def test_a_batch_that_raises_keeps_what_was_marked() -> None:
    first, second = run(whole, ["a", "b"])
    assert first == done("first")
    assert isinstance(second, Raised)


def test_args_are_checked_as_at_enqueue() -> None:
    with pytest.raises(ArgsInvalid):
        run(PerBatch, [{"path": 1}])
    assert run(PerBatch, [{"path": "a"}]) == [done(["a", 1])]
    assert run(per_job, []) == []
    with pytest.raises(ConfigError, match="is no kind of job"):
        run(len, [])


def test_assert_enqueued(dsn: str) -> None:
    with App(dsn) as app, psycopg.connect(dsn) as conn:
        kind = app.kind("embed", args=Doc)
        ids = kind.enqueue_many([Doc("a"), Doc("b"), Doc("a")], return_ids=True, priority=2)
        assert assert_enqueued(app, kind) == ids
        assert assert_enqueued(app, "embed", {"path": "a"}, n=2, priority=2) == [ids[0], ids[2]]
        assert_enqueued(app, kind, Doc("c"), n=0)
        assert_enqueued(app, "other", n=0)
        inside = kind.enqueue(Doc("c"), conn=conn, queue="q", key="k")
        assert assert_enqueued(conn, kind, Doc("c"), queue="q", key="k") == [inside.id]
        with pytest.raises(AssertionError, match=r"0 jobs of kind 'embed' .*'path': 'c'"):
            assert_enqueued(app, kind, Doc("c"))
        with pytest.raises(AssertionError, match=r"2 jobs .* 1 expected"):
            assert_enqueued(app, kind, Doc("a"), n=1)


def test_the_plugin_gives_every_test_a_database_of_its_own(tmp_path: Path, server: str) -> None:
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["actorq.pytest_plugin"]\n')
    (tmp_path / "test_mine.py").write_text(
        "import actorq, pytest\n"
        "mine = actorq.App()\n"
        "@pytest.mark.parametrize('round', [1, 2])\n"
        "def test_mine(actorq_dsn, round):\n"
        "    job = mine.kind('k').enqueue({})\n"
        "    assert (job.id, job.state()) == (1, 'ready')\n"
        "def test_app(actorq_app):\n"
        "    assert actorq_app.kind('k').enqueue({}).id == 1\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    env = {"ACTORQ_TEST_DSN": server, "PYTHONPATH": str(Path(__file__).parents[2]), "PATH": "/bin"}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, cwd=tmp_path, env=env, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout


_ALL = "all without an outcome"


@app.actor("says", max_batch=2)
class Says:
    def setup(self) -> None:
        self.n = 0

    def handle(self, batch: Batch[str]) -> list[int]:
        self.n += 1
        if "fail" in batch.args:
            raise Fail(_ALL)
        if "restart" in batch.args:
            batch[0].done("first")
            raise RestartActor("gone")
        if "rest" in batch.args:
            raise RestKind(30, "429")
        return [self.n] * len(batch)


def test_what_a_handler_raises_means_what_it_means_in_an_actor() -> None:
    assert run(Says, ["a", "b", "fail", "c"]) == [Done(1), Done(1), *[Fail(_ALL)] * 2]
    assert run(Says, ["rest", "a"]) == [RestKind(30.0, "429")] * 2


def test_a_fresh_handler_follows_one_that_asked_for_it() -> None:
    assert run(Says, ["a", "b", "c", "restart", "d"]) == [
        *(Done(1), Done(1), Done("first"), RestartActor("gone"), Done(1)),
    ]


@app.actor("timed", batch_timeout_s=0.05, fatal=(LookupError,))
def timed(batch: Batch[str]) -> None:
    for job in batch:
        if job.args == "lookup":
            raise KeyError
        try:
            if job.args == "hang":
                threading.Event().wait(60)
        except Exception as error:
            job.fail(str(error))
        job.done()


def test_limits_and_fatal_errors_hold_here_too() -> None:
    first, second, third = run(timed, ["a", "hang", "b"])
    assert first == Done()
    assert isinstance(second, Raised)
    assert isinstance(third, Raised)
    assert second.error.cause == "timeout"
    [last] = run(timed, ["lookup"])
    assert isinstance(last, Raised)
    assert last.error.final
