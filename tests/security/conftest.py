"""A supervisor that runs through all tests of a module, whatever they do to its database."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from tests.security.victim import Victim
from tests.support.running import Supervisors
from tests.support.server import database
from tests.support.wait import wait_until


@pytest.fixture
def db(dsn: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(dsn, autocommit=True) as conn:
        yield conn


@pytest.fixture(scope="module")
def running(
    server: str, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Victim]:
    """Yield a supervisor that is ready, and the database it works on."""
    with database(server, template) as dsn, psycopg.connect(dsn, autocommit=True) as conn:
        supervisors = Supervisors(tmp_path_factory.mktemp("running"), dsn)
        try:
            victim = Victim(supervisors, conn)
            wait_until(lambda: "ready" in supervisors.logs(), 30)
            yield victim
        finally:
            supervisors.close()


@pytest.fixture
def victim(running: Victim) -> Iterator[Victim]:
    """Yield it, and see that whatever the test did has harmed nobody else."""
    running.begin()
    yield running
    running.must_be_well()
