"""Supervisors as real processes, on a database of the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.support.running import Supervisors

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
def supervisors(tmp_path: Path, dsn: str) -> Iterator[Supervisors]:
    """Yield a starter of supervisors; whatever is left of them at the end is killed."""
    made = Supervisors(tmp_path, dsn)
    yield made
    made.close()


@pytest.fixture
def changes(dsn: str) -> None:
    """Log every change of a job's state into the table `change`."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(LOG_CHANGES)
