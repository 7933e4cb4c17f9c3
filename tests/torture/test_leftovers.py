"""Each check for what a run leaves behind notices what is really left, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from pathlib import Path

import psycopg
import pytest

from actorq import embedded
from tests.support.server import own_server
from tests.support.wait import wait_until
from tests.torture import leftovers


def test_a_process_that_goes_on_is_found_whoever_its_parent_is(tmp_path: Path) -> None:
    program = "import os, sys; os.fork() and os._exit(0); sys.stdin.read()"
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, "TORTURE_DIRECTORY": str(tmp_path)}, stdin=subprocess.PIPE,
    )  # fmt: skip
    process.wait()
    (found,) = leftovers.strays(str(tmp_path), wait_s=0)
    assert "sys.stdin.read()" in found
    assert leftovers.strays(str(tmp_path / "another"), wait_s=0) == []
    process.communicate()
    assert leftovers.strays(str(tmp_path)) == []


def test_sessions_and_rows_that_stay_are_found(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as conn:
        assert leftovers.rows(conn) == []
        conn.execute("INSERT INTO actorq.hunger (lane, node) VALUES (1, %s)", [uuid.uuid4()])
        with psycopg.connect(dsn, application_name="actorq heart"):
            assert leftovers.rows(conn) == [
                "1 rows of actorq.hunger", "a session is left: ('actorq heart', 'idle')"
            ]  # fmt: skip
        wait_until(lambda: leftovers.rows(conn) == ["1 rows of actorq.hunger"])


def test_memory_and_files_that_stay_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared, temporary = tmp_path / "shm", tmp_path / "tmp"
    shared.mkdir()
    temporary.mkdir()
    monkeypatch.setattr(leftovers, "SHARED", shared)
    of_another, of_a_server = (shared / name for name in ("PostgreSQL.4", "PostgreSQL.5"))
    gone = shared / "PostgreSQL.6"
    assert leftovers.shared([of_a_server, gone], temporary) == []
    for path in (of_another, of_a_server, temporary / "some", temporary / "_probe_8"):
        path.touch()
    assert leftovers.shared([of_a_server, gone], temporary) == [
        f"shared memory {of_a_server}",
        f"temporary file {temporary / 'some'}",
    ]


def test_the_memory_of_a_server_is_known_as_long_as_it_runs() -> None:
    with own_server() as server:
        pid = server.pid
        assert pid is not None
        found = leftovers.segments(pid)
        assert found
        assert all(path.name.startswith("PostgreSQL.") and path.exists() for path in found)
    embedded.remove(server.home)
    wait_until(lambda: not [path for path in found if path.exists()])
    assert leftovers.segments(pid) == set()
