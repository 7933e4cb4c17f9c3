"""The command wait: what it prints, and its exit codes."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import threading

import psycopg
import pytest

from actorq.store.queue.cancel import cancel
from actorq.store.session.connection import Session
from tests.support.rows import finish, insert
from tests.support.shell import ROOT, Shell
from tests.support.wait import wait_until


def test_completed_jobs_are_code_0(actorq: Shell, conn: Session) -> None:
    a, b = insert(conn, 2)
    finish(conn, [a, b])
    ran = actorq("wait", a, b, a)
    assert (ran.code, ran.err) == (0, "")
    assert sorted(ran.out.splitlines()) == [
        "2 jobs final: 2 completed", f"job {a} completed", f"job {b} completed",
    ]  # fmt: skip


def test_a_failed_or_cancelled_job_is_code_1(actorq: Shell, conn: Session) -> None:
    a, b, c = insert(conn, 3)
    finish(conn, [a])
    for id_, state in ((b, "failed"), (c, "cancelled")):
        finish(conn, [id_], state)
        ran = actorq("wait", a, id_, "--json")
        assert ran.code == 1
        assert sorted(ran.objects, key=lambda job: job["id"]) == [
            {"id": a, "state": "completed"}, {"id": id_, "state": state},
        ]  # fmt: skip


def test_a_time_out_is_code_5_and_says_what_is_missing(actorq: Shell, conn: Session) -> None:
    a, b = insert(conn, 2)
    finish(conn, [a])
    ran = actorq("wait", a, b, "--timeout-s", 0)
    assert ran.code == 5
    assert ran.out == f"job {a} completed\n"
    assert f"1 of 2 jobs are not final after 0 s: {b}; nothing was changed" in ran.err


def test_an_unknown_job_is_code_1(actorq: Shell, conn: Session) -> None:
    ran = actorq("wait", 7, "--timeout", "10m")
    assert ran.code == 1
    assert "there is no job 7" in ran.err


def test_an_unreachable_database_is_code_3(capsys: pytest.CaptureFixture[str]) -> None:
    ran = Shell("postgresql://127.0.0.1:1/db", capsys)("wait", 1, "--timeout-s", 0)
    assert ran.code == 3
    assert "the database could not be asked: cannot connect" in ran.err


@pytest.mark.parametrize(
    "words", [["x"], ["-1"], ["9223372036854775808"], [], ["1", "--timeout-s", "nan"],
              ["1", "--timeout-s", "-5"]]
)  # fmt: skip
def test_wrong_words_are_code_2(actorq: Shell, words: list[str]) -> None:
    assert actorq("wait", *words).code == 2


def test_a_terminal_shows_a_progress_bar(dsn: str, conn: Session) -> None:
    pytest.importorskip("rich")
    a, b = insert(conn, 2)
    ours, theirs = pty.openpty()
    waiting = subprocess.Popen(
        [sys.executable, "-m", "actorq", "wait", str(a), str(b), "--dsn", dsn],
        stdout=subprocess.PIPE, stderr=theirs, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm"},
    )  # fmt: skip
    os.close(theirs)
    shown = b""

    def shows(text: bytes) -> bool:
        nonlocal shown
        shown += os.read(ours, 65_536)
        return text in shown

    wait_until(lambda: shows(b"0/2"))
    finish(conn, [a, b])
    wait_until(lambda: shows(b"2/2"))
    assert waiting.wait(30) == 0
    assert waiting.stdout is not None
    with waiting.stdout as out:
        assert out.read().endswith("2 jobs final: 2 completed\n")
    os.close(ours)


def cancelled_soon(dsn: str, ids: list[int]) -> threading.Thread:
    """Cancel jobs as soon as somebody counts."""

    def run() -> None:
        with psycopg.connect(dsn, autocommit=True) as mine:
            wait_until(lambda: mine.execute("SELECT FROM actorq.follower").fetchall())
            cancel(mine, ids)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_any_jobs_are_counted_until_there_are_enough(
    actorq: Shell, conn: Session, dsn: str
) -> None:
    ids = insert(conn, 3)
    thread = cancelled_soon(dsn, ids)
    ran = actorq("wait", "--count", 3, "--timeout-s", 30)
    thread.join()
    assert (ran.code, ran.out) == (0, "3 jobs became final: 3 cancelled\n")


def test_a_count_that_is_not_reached_is_code_5_and_says_how_many_are_missing(
    actorq: Shell, conn: Session, dsn: str
) -> None:
    ids = insert(conn, 2)
    thread = cancelled_soon(dsn, ids)
    ran = actorq("wait", "--count", 5, "--kind", "embed", "--timeout-s", 2)
    thread.join()
    assert ran.code == 5
    assert "3 of 5 jobs of kind embed have not become final within 2 s" in ran.err


@pytest.mark.parametrize("args", [(), ("1", "--count", "2"), ("1", "--kind", "k"), ("--kind", "k")])
def test_ids_or_a_count_are_needed_and_not_both(actorq: Shell, args: tuple[str, ...]) -> None:
    ran = actorq("wait", *args)
    assert ran.code == 2
    assert "either IDs, or --count" in ran.err or "--kind chooses what --count counts" in ran.err
