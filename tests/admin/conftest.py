"""An app on this test's own database, and an administrator's connection to look at it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from actorq import App
from actorq.store.admin.run import connect_admin
from actorq.store.session.connection import Session


@pytest.fixture
def app(dsn: str) -> Iterator[App]:
    with App(dsn) as app:
        yield app


@pytest.fixture
def conn(dsn: str) -> Iterator[Session]:
    with connect_admin(dsn, "actorq") as conn:
        yield conn
