"""Fixtures for pytest: a private server and an empty database for every test that asks.

Enable them in a conftest.py with `pytest_plugins = ["actorq.pytest_plugin"]`. The server is the
embedded one, started once per session and not durable; ACTORQ_TEST_DSN names another one, on which
databases may be created.
"""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import conninfo, sql

from actorq.app import App
from actorq.dsn import VARIABLE
from actorq.store.schema.migrate import migrate


@pytest.fixture(scope="session")
def actorq_server() -> Iterator[str]:
    """Return the DSN of a server on which tests create their databases."""
    if given := os.environ.get("ACTORQ_TEST_DSN"):
        yield given
        return
    from actorq import embedded

    # Not below pytest's own directory: if root starts the server, it runs as another user.
    parent = Path(tempfile.mkdtemp(prefix="actorq-test-"))
    parent.chmod(0o711)
    with embedded.start(parent / "server", durable=False) as server:
        yield server.dsn
    embedded.remove(parent / "server")
    parent.rmdir()


@pytest.fixture(scope="session")
def actorq_template(actorq_server: str) -> Iterator[str]:
    """Return the name of a database with actorq's schema, from which others are copied."""
    name = _name()
    _create(actorq_server, name)
    migrate(conninfo.make_conninfo(actorq_server, dbname=name))
    yield name
    _drop(actorq_server, name)


@pytest.fixture
def actorq_dsn(
    actorq_server: str, actorq_template: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """Return the DSN of this test's own database, which ACTORQ_DSN names as well."""
    name = _name()
    _create(actorq_server, name, actorq_template)
    dsn = conninfo.make_conninfo(actorq_server, dbname=name)
    monkeypatch.setenv(VARIABLE, dsn)
    yield dsn
    _drop(actorq_server, name)


@pytest.fixture
def actorq_app(actorq_dsn: str) -> Iterator[App]:
    """Return an app without kinds on this test's own database."""
    with App(actorq_dsn) as app:
        yield app


def _name() -> str:
    return f"actorq_test_{uuid.uuid4().hex[:12]}"


def _create(server: str, name: str, template: str | None = None) -> None:
    statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
    if template is not None:
        statement += sql.SQL(" TEMPLATE {}").format(sql.Identifier(template))
    _run(server, statement)


def _drop(server: str, name: str) -> None:
    _run(server, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _run(server: str, statement: sql.SQL | sql.Composed) -> None:
    with psycopg.connect(server, autocommit=True) as conn:
        conn.execute(statement)
