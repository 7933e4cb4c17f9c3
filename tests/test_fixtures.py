"""The fixtures give each test a database of its own, and the helpers fail with a reason."""

from __future__ import annotations

import subprocess
import sys
import uuid
from pathlib import Path

import psycopg
import pytest

from tests.support.server import dbname
from tests.support.wait import wait_until

ROOT = Path(__file__).parent.parent

seen: set[str] = set()


@pytest.mark.parametrize("n", [1, 2])
def test_each_test_gets_a_migrated_database_of_its_own(dsn: str, n: int) -> None:
    assert dbname(dsn) not in seen
    seen.add(dbname(dsn))
    with psycopg.connect(dsn) as conn:
        assert conn.execute("SELECT count(*) FROM actorq.job").fetchone() == (0,)
        conn.execute("CREATE TABLE public.mine ()")


def test_the_empty_database_has_no_schema(empty_dsn: str) -> None:
    with psycopg.connect(empty_dsn) as conn:
        assert conn.execute("SELECT to_regnamespace('actorq')").fetchone() == (None,)


def test_waiting_in_vain_says_for_what_and_what_was_seen_last() -> None:
    with pytest.raises(AssertionError, match=r"in vain for .*len\(\[\]\).*last seen: 0"):
        wait_until(lambda: len([]), deadline_s=0.01)


def test_the_leak_check_waits_for_a_child_that_is_ending(no_leaks: None) -> None:
    subprocess.run([sys.executable, "-c", ""], check=True)


WAITS_ITS_TURN = """
import sys
from tests.support.turns import turn
with turn(sys.argv[1], alone=sys.argv[2] == "alone"):
    print("in", flush=True)
    sys.stdin.read()
"""


def test_a_test_that_wants_to_be_alone_gets_its_turn_and_is(request: pytest.FixtureRequest) -> None:
    run = uuid.uuid4().hex

    def start(how: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", WAITS_ITS_TURN, run, how]
        started = subprocess.Popen(
            command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        request.addfinalizer(started.communicate)
        request.addfinalizer(started.kill)  # the last one comes first
        return started

    def waits(process: subprocess.Popen[str]) -> bool:
        held = Path("/proc/locks").read_text().splitlines()
        return any("->" in line and f" {process.pid} " in line for line in held)

    def gets_in(process: subprocess.Popen[str]) -> None:
        assert process.stdout
        assert process.stdout.readline() == "in\n"

    first, second = start("together"), start("together")
    gets_in(first)
    gets_in(second)
    alone = start("alone")
    wait_until(lambda: waits(alone))
    late = start("together")
    wait_until(lambda: waits(late))
    first.communicate()
    second.communicate()
    gets_in(alone)
    assert waits(late)
    alone.communicate()
    gets_in(late)
