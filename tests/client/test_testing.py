"""What actorq offers to the tests of its users."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

from actorq import App, Batch, ConfigError, cancel, done, fail, retry, snooze
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
