"""The check for what a scenario leaves behind notices what is really left."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from tests.e2e import remains
from tests.e2e.remains import Remains
from tests.support.wait import wait_until


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let another directory be where shared memory is: the real one is everybody's."""
    path = tmp_path / "shared"
    path.mkdir()
    monkeypatch.setattr(remains, "SHARED", path)
    return path


@pytest.fixture
def before(dsn: str, temporary: Path, shared: Path) -> Iterator[Remains]:
    """Yield the check, and see that in the end it has nothing more to say."""
    check = Remains(dsn, temporary)
    assert check.left() == []
    yield check
    wait_until(lambda: check.left() == [])


def test_a_process_is_noticed_although_it_is_nobodys_child(before: Remains, dsn: str) -> None:
    program = "import os, sys; os.fork() and os._exit(0); sys.stdin.read()"
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, "ACTORQ_DSN": dsn}, stdin=subprocess.PIPE,
    )  # fmt: skip
    with process:
        process.wait()
        found = [text for text in before.left() if text.startswith("process")]
        assert len(found) == 1
        assert "sys.stdin.read()" in found[0]


def test_a_child_that_nobody_has_waited_for_is_noticed(before: Remains) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        wait_until(lambda: any("(not waited for)" in text for text in before.left()))
        assert process.returncode is None


def test_a_connection_is_noticed(before: Remains, dsn: str) -> None:
    with psycopg.connect(dsn, application_name="actorq settler"):
        assert "connection 'actorq settler'" in before.left()


def test_open_files_and_sockets_are_noticed(before: Remains, tmp_path: Path) -> None:
    with ExitStack() as stack:
        stack.enter_context((tmp_path / "some file").open("w"))
        stack.enter_context(socket.socket())
        found = before.left()
    assert any("some file" in text for text in found)
    assert any("socket:" in text for text in found)


def test_shared_memory_and_temporary_files_are_noticed(
    before: Remains, shared: Path, temporary: Path
) -> None:
    paths = [shared / "psm_1234", temporary / "pymp-5678"]
    for path in paths:
        path.touch()
    assert before.left() == ["shared memory psm_1234", "temporary file pymp-5678"]
    for path in paths:
        path.unlink()
