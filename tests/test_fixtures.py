"""The fixtures give each test a database of its own, and the helpers fail with a reason."""

from __future__ import annotations

import subprocess
import sys
import uuid
from pathlib import Path

import psycopg
import pytest

from tests.support.reuse import Databases
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


INSERT = "INSERT INTO actorq.job (kind, args) VALUES ('k', '{}') RETURNING id"
FILES = "SELECT oid FROM pg_database WHERE datname = current_database()"


def used(databases: Databases, *statements: str) -> object:
    """Use a database, and return what tells it from others, whatever its name is."""
    with databases.one() as dsn, psycopg.connect(dsn, autocommit=True) as conn:
        for statement in statements:
            conn.execute(statement.encode())
        return conn.execute(FILES).fetchone()


def test_a_database_is_used_again_as_if_it_were_new(databases: Databases) -> None:
    first = used(databases, INSERT, "ANALYZE actorq.job")
    with databases.one() as dsn, psycopg.connect(dsn, autocommit=True) as conn:
        assert conn.execute(FILES).fetchone() == first
        stands = "SELECT (SELECT count(*) FROM actorq.job), (SELECT count(*) FROM pg_stats"
        assert conn.execute(f"{stands} WHERE schemaname = 'actorq')".encode()).fetchone() == (0, 0)
        assert conn.execute(INSERT.encode()).fetchone() == (1,)


def test_who_comes_back_to_a_used_database_finds_none(databases: Databases) -> None:
    with databases.one() as dsn:
        conn = psycopg.connect(dsn)
    with databases.one():
        with pytest.raises(psycopg.OperationalError):
            conn.execute("SELECT 1")
        with pytest.raises(psycopg.OperationalError, match="does not exist"):
            psycopg.connect(dsn)


@pytest.mark.parametrize("change", [
    "ALTER TABLE actorq.job DISABLE TRIGGER ALL",
    "ALTER TABLE actorq.job ALTER COLUMN args SET STATISTICS 7",
    "ALTER TABLE actorq.job SET (fillfactor = 50)",
    "CREATE INDEX mine ON actorq.job (run_at)",
    "CREATE FUNCTION public.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE SCHEMA mine",
    "ALTER SEQUENCE actorq.job_id_seq INCREMENT 2",
    "GRANT SELECT ON actorq.job TO PUBLIC",
    "GRANT CREATE ON SCHEMA public TO PUBLIC",
    "REVOKE EXECUTE ON FUNCTION pg_catalog.now FROM PUBLIC",
    "UPDATE actorq.migration SET name = name || '!'",
    "DROP SCHEMA actorq CASCADE",
    "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET work_mem = 64', current_catalog); END $$",
    "DO $$ BEGIN EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_catalog); END $$",
])  # fmt: skip
def test_a_database_that_was_changed_is_not_used_again(databases: Databases, change: str) -> None:
    assert used(databases, change) != used(databases)


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
