"""Row-level security on `job`: what a role cannot see is not taken for gone."""

from __future__ import annotations

import os
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import conninfo

import actorq
from actorq.errors import StoreError
from actorq.store.admin.doctor import diagnose
from actorq.store.admin.run import connect_admin
from actorq.store.queue.queue import QueueStore
from actorq.store.session.faults import Forbidden
from tests.store.kit import Kit

GRANTS = """
    GRANT USAGE ON SCHEMA actorq TO {role};
    GRANT ALL ON ALL TABLES IN SCHEMA actorq TO {role};
    GRANT ALL ON ALL SEQUENCES IN SCHEMA actorq TO {role};
    CREATE POLICY mine ON actorq.job TO {role} USING (queue = 'mine') WITH CHECK (true);
"""
ON = "ALTER TABLE actorq.job ENABLE ROW LEVEL SECURITY"


@pytest.fixture
def theirs(kit: Kit) -> Iterator[str]:
    """Return the DSN of a role that sees only the jobs of one queue, once RLS is on."""
    role = f"actorq_tenant_{os.getpid()}"
    kit.conn.execute(f"CREATE ROLE {role} LOGIN".encode())
    try:
        kit.conn.execute(GRANTS.format(role=role).encode())
        yield conninfo.make_conninfo(kit.dsn, user=role)
    finally:
        kit.conn.execute(f"DROP OWNED BY {role}; DROP ROLE {role}".encode())


def test_an_owner_from_whom_rows_are_hidden_enqueues_new_kinds_all_the_same(
    kit: Kit, theirs: str
) -> None:
    """Also with FORCE, under which an app that connects as the owner keeps its tenants apart."""
    role = str(conninfo.conninfo_to_dict(theirs)["user"])
    kit.conn.execute(
        f"ALTER SCHEMA actorq OWNER TO {role};"
        + "".join(
            f"ALTER TABLE actorq.{table} OWNER TO {role};"
            for (table,) in kit.rows(
                "SELECT relname FROM pg_class WHERE relkind = 'r'"
                " AND relnamespace = 'actorq'::regnamespace"
            )
        )
        + f"ALTER FUNCTION actorq.job_inserted OWNER TO {role};"
        f"ALTER FUNCTION actorq.lane_needed OWNER TO {role};"
        f"{ON}; ALTER TABLE actorq.job FORCE ROW LEVEL SECURITY"
    )
    with psycopg.connect(theirs) as conn:
        conn.execute("INSERT INTO actorq.job (kind, queue) VALUES ('new', 'mine'), ('new', 'my')")
    kit.check_places()
    kit.conn.execute(f"REASSIGN OWNED BY {role} TO CURRENT_USER".encode())


def test_a_claim_that_cannot_see_its_jobs_is_an_error_and_takes_none(kit: Kit, theirs: str) -> None:
    ids = kit.enqueue(5)
    kit.store.close()
    kit.store = QueueStore.connect(theirs, node=kit.node)
    kit.conn.execute(ON)
    with pytest.raises(Forbidden, match="row-level security"):
        kit.claim(1)
    kit.store.close()
    kit.check_places()
    kit.store = kit.open()
    assert kit.batch(1).ids == ids


def test_a_supervisor_says_at_its_start_what_its_role_lacks(kit: Kit, theirs: str) -> None:
    kit.conn.execute(ON)
    with pytest.raises(Forbidden, match=r"hides rows of job from this role: .* BYPASSRLS"):
        QueueStore.connect(theirs, node=kit.node)
    kit.open().nodes()  # the owner, from whom nothing is hidden


def test_doctor_says_so_instead_of_finding_everything_lost(kit: Kit, theirs: str) -> None:
    kit.enqueue(5)
    kit.conn.execute(ON)
    with connect_admin(theirs, "actorq") as conn:
        (check,) = diagnose(conn)
        assert (check.name, check.level) == ("row security", "bad")


def test_a_unique_key_is_not_taken_from_a_job_that_is_hidden(kit: Kit, theirs: str) -> None:
    with actorq.App(kit.dsn) as owners, actorq.App(theirs) as app:
        held = owners.kind("k").enqueue(1, unique_key="u")
        kit.conn.execute(ON)
        kind = app.kind("k")
        again = kind.enqueue(1, unique_key="u")
        assert (again.id, again.is_new) == (held.id, False)
        assert kind.enqueue(1, queue="mine").state() == "ready"
        with pytest.raises(StoreError, match="row-level security"):
            kind.enqueue(1)  # RETURNING its id needs to see it
    with psycopg.connect(theirs) as conn:
        conn.execute("INSERT INTO actorq.job (kind) VALUES ('k')")
