"""The commands migrate and doctor, and what every command says when the database is not right."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import conninfo

from actorq import embedded
from actorq.cli import main
from actorq.store.session.connection import Session
from tests.support.migrations import CODE, NOTES, also_known
from tests.support.rows import insert, register
from tests.support.shell import Shell, spawn

NOBODY = "postgresql://me:s3cret@127.0.0.1:1/x"


def test_migrate_makes_the_schema_once(empty_dsn: str, capsys: pytest.CaptureFixture[str]) -> None:
    actorq = Shell(empty_dsn, capsys)
    assert "applied 0001_initial" in actorq("migrate").out
    assert actorq("migrate").out == "schema actorq is up to date\n"
    assert actorq("migrate", "--json").objects == [{"schema": "actorq", "applied": []}]
    assert actorq("status").code == 0


def test_the_plan_shows_steps_locks_and_who_will_stop(
    dsn: str, conn: Session, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    actorq = Shell(dsn, capsys)
    assert actorq("migrate", "--plan").out == "schema actorq is up to date\n"
    register(conn)
    also_known(monkeypatch, "0003_notes", **NOTES)
    also_known(monkeypatch, "0004_code", **CODE)
    shown = [line.split("  ") for line in actorq("migrate", "--plan").out.splitlines()]
    rows = [[cell.strip() for cell in line if cell] for line in shown]
    assert rows[0] == ["migration", "step", "phase", "runs", "locks"]
    assert rows[2] == [
        "0003_notes", "2_index", "expand", "on its own", "SHARE UPDATE EXCLUSIVE on job",
    ]  # fmt: skip
    assert rows[3][4] == "none"
    assert rows[4] == [
        "0004_code", "1_told", "contract", "in a transaction", "ACCESS EXCLUSIVE on node",
    ]  # fmt: skip
    assert rows[5] == [
        "the supervisor that is process 1 on here runs an older actorq: it will finish and stop"
    ]
    (found,) = actorq("migrate", "--plan", "--json").objects
    assert (found["schema"], found["version"], len(found["steps"])) == ("actorq", 2, 4)
    assert found["steps"][1] == {
        "migration": "0003_notes", "step": "2_index", "phase": "expand", "min_code": 1,
        "in_transaction": False, "locks": [{"table": "job", "mode": "SHARE UPDATE EXCLUSIVE"}],
    }  # fmt: skip
    assert found["stops"][0] | {"node": ""} == {"node": "", "host": "here", "pid": 1, "code": 0}


def test_a_migration_that_is_given_up_is_exit_code_1_and_says_who_is_in_the_way(
    dsn: str, conn: Session, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    also_known(monkeypatch, "0003_notes", **NOTES)
    with conn.transaction():
        conn.execute("SELECT FROM actorq.job")
        ran = Shell(dsn, capsys)("migrate", "--wait", "0")
    assert (ran.code, ran.out) == (1, "")
    told, end = ran.err.splitlines()
    assert "0003_notes/1_column waits for the lock ACCESS EXCLUSIVE on job, held by" in told
    assert "0003_notes/1_column was given up" in end
    assert "'actorq admin'" in end


def test_migrate_into_another_schema(empty_dsn: str, capsys: pytest.CaptureFixture[str]) -> None:
    actorq = Shell(empty_dsn, capsys)
    assert actorq("migrate", "--schema", "jobs2").code == 0
    assert actorq("status", "--schema", "jobs2").code == 0
    assert actorq("status").code == 4


@pytest.mark.parametrize("schema", ["pg_temp", "public", "A b", '"x"', "a" * 70, ""])
def test_schema_names_that_cannot_be_ours_are_refused(actorq: Shell, schema: str) -> None:
    assert actorq("migrate", f"--schema={schema}").code == 2


def test_the_printed_sql_makes_a_schema_that_works(empty_dsn: str) -> None:
    printed = spawn("migrate", "--sql")
    assert printed.code == 0
    with psycopg.connect(empty_dsn, autocommit=True) as conn:
        conn.execute(printed.out.encode())
    assert spawn("doctor", ACTORQ_DSN=empty_dsn).code == 0


def test_a_missing_schema_is_exit_code_4(
    empty_dsn: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = Shell(empty_dsn, capsys)("status")
    assert ran.code == 4
    assert "run: actorq migrate" in ran.err


@pytest.mark.parametrize(
    "words", [["status"], ["jobs"], ["jobs", "1"], ["retry", "1"], ["doctor"], ["migrate"]]
)
def test_an_unreachable_database_is_exit_code_3_without_traceback_or_password(
    words: list[str],
) -> None:
    ran = spawn(*words, "--dsn", NOBODY)
    assert ran.code == 3
    assert "s3cret" not in ran.err
    assert "Traceback" not in ran.err
    assert "actorq: cannot connect to the database" in ran.err
    assert len(ran.err.splitlines()) <= 3
    assert "list of processes" in ran.err, "a password that was typed is visible to others"


def test_no_database_is_exit_code_2_and_names_the_ways() -> None:
    ran = spawn("status")
    assert ran.code == 2
    assert "ACTORQ_DSN" in ran.err


@pytest.mark.parametrize(
    "dsn", ["password=s3cret nonsense", "postgresql://a:s3cret@[", "host='x password=s3cret"]
)
def test_a_dsn_that_cannot_be_read_is_not_repeated(dsn: str) -> None:
    ran = spawn("status", ACTORQ_DSN=dsn)
    assert ran.code == 2
    assert "s3cret" not in ran.err


def test_usage_errors_do_not_repeat_a_password() -> None:
    ran = spawn("status", "--dns", NOBODY)
    assert ran.code == 2
    assert "s3cret" not in ran.err


def test_doctor_finds_and_mends(actorq: Shell, conn: Session) -> None:
    insert(conn, 3)
    assert actorq("doctor").code == 0
    conn.execute("DELETE FROM actorq.ready")
    ran = actorq("doctor")
    assert ran.code == 1
    assert "BAD   membership: 3 pending, but neither waiting nor leased" in ran.out
    ran = actorq("doctor", "--repair")
    assert ran.code == 0
    assert "repaired: 3 rows added to ready" in ran.out


def test_doctor_looks_at_as_many_jobs_as_it_may(actorq: Shell, conn: Session) -> None:
    insert(conn, 3)
    conn.execute("DELETE FROM actorq.ready")
    ran = actorq("doctor", "--limit", 2)
    assert (ran.code, "of the lowest ids: 2 pending" in ran.out) == (1, True)
    assert actorq("doctor", "--limit", 2, "--repair").code == 2


def test_doctor_as_json(actorq: Shell) -> None:
    (found,) = actorq("doctor", "--json").objects
    assert found["verdict"] in {"ok", "warn"}
    assert {"name": "encoding", "level": "ok", "text": "UTF8"} in found["checks"]
    assert found["repaired"] is None


def test_everything_prints_in_the_c_locale(dsn: str, conn: Session) -> None:
    (job,) = insert(conn, args='{"text": "Ünïcödé ≠ 文"}')
    ascii: dict[str, Any] = {"PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}
    for extra in ({}, ascii):
        ran = spawn("jobs", job, "--args", ACTORQ_DSN=dsn, LC_ALL="C", **extra)
        assert (ran.code, ran.err) == (0, "")
        as_json = spawn("jobs", job, "--args", "--json", ACTORQ_DSN=dsn, LC_ALL="C", **extra)
        assert as_json.objects[0]["args"] == {"text": "Ünïcödé ≠ 文"}


def test_libpq_variables_name_the_database(dsn: str) -> None:
    given = conninfo.conninfo_to_dict(dsn)
    env: dict[str, Any] = {
        f"PG{name.upper()}": str(value) for name, value in given.items() if name != "dbname"
    }
    for words in (["status"], ["enqueue", "any", "1"], ["migrate"], ["doctor"]):
        ran = spawn(*words, PGDATABASE=str(given["dbname"]), **env)
        assert ran.code == 0, ran.err


def test_a_reader_that_leaves_is_no_error(dsn: str, conn: Session) -> None:
    insert(conn, 5000)
    command = f"{shlex.quote(sys.executable)} -m actorq jobs --limit 5000 --json | head -n 1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        env={**os.environ, "ACTORQ_DSN": dsn},
        capture_output=True,
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_help_and_version_need_no_database_driver() -> None:
    code = "import sys, actorq.cli.parser as p; p.build().format_help(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "psycopg" not in done.stdout.split()
    assert spawn("--version").out.startswith("actorq ")
    assert "exit codes" in spawn("--help").out


def test_demo_passes_its_options_on(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[object, ...]] = []

    def run(*given: object) -> int:
        asked.append(given)
        return 0

    monkeypatch.setattr("actorq.demo.run.run", run)
    assert main(["demo", "--json", "--jobs", "5"]) == 0
    assert asked == [(True, 5)]


def test_demo_says_what_is_not_installed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.startswith("actorq.demo")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "numpy", None)
    assert main(["demo"]) == 2
    assert "the demo needs numpy: pip install" in capsys.readouterr().err


def test_a_private_server_and_a_dsn_are_not_both_meant(dsn: str) -> None:
    ran = spawn("status", "--embedded", "--dsn", dsn)
    assert ran.code == 2
    assert "--dsn and --embedded: give one of them" in ran.err


def test_embedded_needs_no_dsn_and_keeps_its_data() -> None:
    home = Path(tempfile.mkdtemp(prefix="actorq cli "))  # pytest's own are closed to other users
    home.chmod(0o711)
    try:
        made = spawn("enqueue", "any", "1", "--embedded", "--json", XDG_DATA_HOME=str(home))
        assert made.code == 0, made.err
        there = spawn("jobs", "--embedded", "--json", XDG_DATA_HOME=str(home))
        assert [job["id"] for job in there.objects] == [made.objects[0]["id"]]
    finally:
        for entry in home.iterdir():
            embedded.remove(entry)
        shutil.rmtree(home)
