"""Fixtures for the tests of the store."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from actorq.store.admin.run import connect_admin
from actorq.store.session.connection import Session


@pytest.fixture
def conn(dsn: str) -> Iterator[Session]:
    with connect_admin(dsn, "actorq") as conn:
        yield conn
