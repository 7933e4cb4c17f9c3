"""Supervisors as real processes, on a database of the test's own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from actorq import embedded
from actorq.store.schema.migrate import migrate
from tests.e2e.remains import Remains
from tests.support.running import Supervisors
from tests.support.server import own_server
from tests.support.wait import wait_until

LOG_CHANGES = """
CREATE TABLE public.change (n bigserial, job bigint, old text, new text, attempt int);
CREATE FUNCTION public.log_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO public.change (job, old, new, attempt)
    SELECT n.id, o.state, n.state, n.attempt
    FROM after n JOIN before o USING (id) WHERE n.state <> o.state;
    RETURN NULL;
END $$;
CREATE TRIGGER log_change AFTER UPDATE ON actorq.job
    REFERENCING OLD TABLE AS before NEW TABLE AS after
    FOR EACH STATEMENT EXECUTE FUNCTION public.log_change();
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a directory for the temporary files of all processes that the test starts."""
    path = tmp_path / "temporary"
    path.mkdir()
    monkeypatch.setenv("TMPDIR", str(path))
    return path


@pytest.fixture
def supervisors(tmp_path: Path, dsn: str, temporary: Path) -> Iterator[Supervisors]:
    """Yield a starter of supervisors; they are killed at the end, and leave nothing behind."""
    with _supervisors(tmp_path, dsn, temporary) as made:
        yield made


@pytest.fixture
def server_of_its_own() -> Iterator[embedded.Server]:
    """Yield a server that the test may stop and start."""
    with own_server() as server:
        migrate(server.dsn)
        yield server
    embedded.remove(server.home)


@pytest.fixture
def its_supervisors(
    tmp_path: Path, server_of_its_own: embedded.Server, temporary: Path
) -> Iterator[Supervisors]:
    """Yield the same on that server."""
    with _supervisors(tmp_path, server_of_its_own.dsn, temporary) as made:
        yield made


@contextlib.contextmanager
def _supervisors(directory: Path, dsn: str, temporary: Path) -> Iterator[Supervisors]:
    made, remains = Supervisors(directory, dsn), Remains(dsn, temporary)
    try:
        yield made
    finally:
        made.close()

    def nothing_left() -> bool:
        left = remains.left()
        assert not left, left
        return True

    wait_until(nothing_left, what="all that was started to be gone")


@pytest.fixture
def changes(dsn: str) -> None:
    """Log every change of a job's state into the table `change`."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(LOG_CHANGES)
