"""The command run, in a process of its own: what it serves, how it stops, how it fails."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from actorq.store.session.connection import Session
from tests.support.rows import insert, states
from tests.support.shell import ROOT, Shell, spawn
from tests.support.wait import wait_until

APP = """
import actorq
app = actorq.App()

@app.actor("double")
def double(x: int) -> int:
    return 2 * x

@app.actor("other", queue="slow")
def other(x: int) -> int:
    return x

bare = actorq.App()
bare.kind("unbound")

pooled = actorq.App(pooler=True)

@pooled.actor("triple")
def triple(x: int) -> int:
    return 3 * x
"""


@pytest.fixture
def code(tmp_path: Path) -> Path:
    (tmp_path / "served.py").write_text(APP)
    return tmp_path


def test_drain_runs_what_is_due_and_stops(dsn: str, conn: Session, code: Path) -> None:
    ids = insert(conn, 250, kind="double", args='{"x": 21}')
    ran = spawn("run", "served:app", "--drain", cwd=code, ACTORQ_DSN=dsn)
    assert ran.code == 0, ran.err
    assert states(conn, ids) == ["completed"] * 250
    results = conn.execute("SELECT value::text, count(*) FROM actorq.result GROUP BY 1").fetchall()
    assert results == [("42", 250)]
    assert "supervisor stopped" in ran.err
    assert ran.out == ""


def test_only_the_named_kinds_and_queues_are_served(dsn: str, conn: Session, code: Path) -> None:
    ids = [
        *insert(conn, kind="double", args='{"x": 1}'),
        *insert(conn, kind="other", args='{"x": 1}', queue="slow"),
        *insert(conn, kind="other", args='{"x": 1}', queue="third"),
    ]
    assert spawn(
        "run", "served:app", "--drain", "--kind", "other", "--poll-only", cwd=code, ACTORQ_DSN=dsn
    ).code == 0  # fmt: skip
    assert states(conn, ids) == ["ready", "completed", "ready"]
    assert spawn(
        "run", "served:app", "--drain", "--queue", "third", cwd=code, ACTORQ_DSN=dsn
    ).code == 0  # fmt: skip
    assert states(conn, ids) == ["ready", "completed", "completed"]


def test_an_app_behind_a_pooler_runs_where_a_direct_dsn_is_given(
    dsn: str, conn: Session, code: Path
) -> None:
    ids = insert(conn, kind="triple", args='{"x": 1}')
    ran = spawn("run", "served:pooled", "--drain", "--dsn", dsn, cwd=code)
    assert (ran.code, states(conn, ids)) == (0, ["completed"]), ran.err


@contextmanager
def running(dsn: str, code: Path, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """Yield a supervisor in a process of its own; kill it if the test does not end it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "actorq", "run", "served:app", *words],
        cwd=code,
        env={**os.environ, "PYTHONPATH": str(ROOT), "ACTORQ_DSN": dsn},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order(
    dsn: str, conn: Session, code: Path, actorq: Shell, sign: signal.Signals
) -> None:
    with running(dsn, code) as process:
        wait_until(lambda: actorq("status", "--json").objects[0]["nodes"])
        ids = insert(conn, kind="double", args='{"x": 1}')
        wait_until(lambda: states(conn, ids) == ["completed"])
        process.send_signal(sign)
        log, _ = process.communicate(timeout=30)
        assert process.returncode == 0, log.decode()
    assert actorq("status", "--json").objects[0]["nodes"] == []


@pytest.mark.parametrize("n_signals", [1, 5])
def test_a_stop_in_the_middle_of_the_work_leaves_nothing_claimed_or_charged(
    dsn: str, conn: Session, code: Path, n_signals: int
) -> None:
    insert(conn, 10_000, kind="double", args='{"x": 1}')
    completed = "SELECT FROM actorq.job WHERE state = 'completed' LIMIT 1"
    with running(dsn, code) as process:
        wait_until(lambda: conn.execute(completed).fetchall())
        for _ in range(n_signals):
            process.send_signal(signal.SIGTERM)
        log, _ = process.communicate(timeout=30)
        assert process.returncode in (0, 1)[:n_signals], log.decode()  # 1: a batch was killed
    for table in ("lease", "node", "hunger"):
        assert conn.execute(f"SELECT * FROM actorq.{table}".encode()).fetchall() == []
    pending = "SELECT count(*), sum(attempt) FROM actorq.job WHERE state = 'pending'"
    ((n, charged),) = conn.execute(pending).fetchall()
    assert n > 0, "all was done before the signal came"
    assert charged == 0
    assert conn.execute("SELECT count(*) FROM actorq.queued").fetchall() == [(n,)]


@pytest.mark.parametrize(
    ("words", "code_expected", "text"),
    [
        (["served:app", "--kind", "no-such"], 2, "its kinds are: double, other"),
        (["served:bare"], 2, "no kind has a handler"),
        (["served:app", "--queue", "a b"], 2, "not a legal name"),
        (["served:pooled", "--drain"], 2, "can only enqueue"),
        (["absent:app"], 2, "no module 'absent'"),
    ],
)
def test_what_cannot_be_served_is_refused_at_the_start(
    dsn: str, code: Path, words: list[str], code_expected: int, text: str
) -> None:
    ran = spawn("run", *words, cwd=code, ACTORQ_DSN=dsn)
    assert ran.code == code_expected
    assert text in ran.err
    assert "Traceback" not in ran.err


def test_a_missing_schema_or_server_is_told_by_the_exit_code(empty_dsn: str, code: Path) -> None:
    ran = spawn("run", "served:app", cwd=code, ACTORQ_DSN=empty_dsn)
    assert (ran.code, "actorq migrate" in ran.err, "Traceback" in ran.err) == (4, True, False)
    ran = spawn("run", "served:app", cwd=code, ACTORQ_DSN="host=127.0.0.1 port=1 password=s3cret")
    assert (ran.code, "s3cret" in ran.err, "Traceback" in ran.err) == (3, False, False)


def test_the_users_own_import_error_is_shown(dsn: str, code: Path) -> None:
    (code / "served.py").write_text("import nothing_of_that_name")
    ran = spawn("run", "served:app", cwd=code, ACTORQ_DSN=dsn)
    assert ran.code == 1
    assert 'served.py", line 1' in ran.err
    assert "No module named 'nothing_of_that_name'" in ran.err
