"""The fixtures give each test a database of its own, and the helpers fail with a reason."""

from __future__ import annotations

import subprocess
import sys

import psycopg
import pytest

from tests.support.server import dbname
from tests.support.wait import wait_until

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
