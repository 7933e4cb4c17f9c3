"""An app on this test's own database, and a connection to look at it."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from actorq import App


@pytest.fixture
def app(dsn: str) -> Iterator[App]:
    with App(dsn) as app:
        yield app


@pytest.fixture
def db(dsn: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("SET actorq.own = 'on'")  # tests bring jobs into any state by hand
        yield conn
