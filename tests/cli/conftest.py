"""Fixtures for the tests of the commands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from actorq.store.admin.run import connect_admin
from actorq.store.session.connection import Session
from tests.cli.programs import Code
from tests.support.shell import Shell


@pytest.fixture
def conn(dsn: str) -> Iterator[Session]:
    with connect_admin(dsn, "actorq") as conn:
        yield conn


@pytest.fixture
def actorq(dsn: str, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(dsn, capsys)


@pytest.fixture
def code(tmp_path: Path) -> Code:
    return Code(tmp_path)
