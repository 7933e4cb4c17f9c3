"""No object that somebody else has planted stands in for one of ours or of PostgreSQL's own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import psycopg
import pytest
from psycopg import conninfo, sql

from actorq import App
from actorq.store.admin import change, prune, status
from actorq.store.admin import jobs as admin_jobs
from actorq.store.admin.run import connect_admin
from actorq.store.queue.cancel import cancel
from actorq.store.schema.migrate import migrate
from tests.store.kit import Kit, done
from tests.support.server import dbname

TABLES = ("job", "ready", "lane", "lease", "node", "hunger", "settled", "result", "failure")
FUNCTIONS = {  # of pg_catalog, with the types they take where our statements use them
    "now()": "timestamptz",
    "clock_timestamp()": "timestamptz",
    "statement_timestamp()": "timestamptz",
    "octet_length(text)": "int",
    "cardinality(anyarray)": "int",
    "array_to_string(anyarray, text, text)": "text",
    "pg_notify(text, text)": "void",
    "concat_ws(text, text, text, text)": "text",
    "set_config(text, text, boolean)": "text",
    "current_setting(text, boolean)": "text",
}
OPERATORS = {
    "text": ["=", "<>", "~"],
    "int4": ["=", "+"],
    "timestamptz": ["=", "<="],
}
SPRING = "LANGUAGE plpgsql AS $$ BEGIN RAISE 'sprung as %', current_user; END $$"


class Attacker(NamedTuple):
    """Hold a role that may insert jobs, and a connection of its own."""

    name: str
    conn: psycopg.Connection


@pytest.fixture
def attacker(dsn: str, db: psycopg.Connection) -> Iterator[Attacker]:
    role = "eve_" + dbname(dsn)[-12:]
    name = sql.Identifier(role)
    db.execute(sql.SQL("CREATE ROLE {} LOGIN").format(name))
    db.execute(sql.SQL("GRANT USAGE ON SCHEMA actorq TO {}").format(name))
    db.execute(sql.SQL("GRANT INSERT (kind, args, queue) ON actorq.job TO {}").format(name))
    db.execute(sql.SQL("GRANT ALL ON SCHEMA public TO {}").format(name))  # as before version 15
    grant = "GRANT TEMPORARY, CREATE ON DATABASE {} TO {}"
    db.execute(sql.SQL(grant).format(sql.Identifier(dbname(dsn)), name))
    try:
        with psycopg.connect(conninfo.make_conninfo(dsn, user=role), autocommit=True) as conn:
            yield Attacker(role, conn)
    finally:
        db.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(name))
        db.execute(sql.SQL("DROP ROLE {}").format(name))


def plant(conn: psycopg.Connection, schema: str) -> None:
    """Make in a schema whatever a careless search path would find there first."""
    for name in TABLES:
        conn.execute(f"CREATE TABLE {schema}.{name} (id bigint, queue text, kind text)".encode())
    for signature, result in FUNCTIONS.items():
        conn.execute(f"CREATE FUNCTION {schema}.{signature} RETURNS {result} {SPRING}".encode())
    for type_, names in OPERATORS.items():
        sprung = f"{schema}.sprung"
        conn.execute(
            f"CREATE FUNCTION {sprung}({type_}, {type_}) RETURNS boolean {SPRING}".encode()
        )
        for name in names:
            conn.execute(
                f"CREATE OPERATOR {schema}.{name}"
                f" (LEFTARG = {type_}, RIGHTARG = {type_}, FUNCTION = {sprung})".encode()
            )


@pytest.mark.parametrize("path", ["pg_temp, public", "public, pg_catalog", "eve, pg_temp"])
def test_the_trigger_of_an_insert_uses_nothing_that_its_caller_has_planted(
    attacker: Attacker, dsn: str, path: str
) -> None:
    conn = attacker.conn
    conn.execute("CREATE SCHEMA eve")
    plant(conn, "eve")
    plant(conn, "public")
    for name in TABLES:
        conn.execute(f"CREATE TEMP TABLE {name} (id bigint, queue text, kind text)".encode())
    conn.execute(f"SET search_path = {path}".encode())
    conn.execute("INSERT INTO actorq.job (kind) VALUES ('k')")
    conn.execute("INSERT INTO actorq.job (kind, queue) VALUES ('k', 'q'), ('new', 'q')")
    kit = Kit(dsn)
    try:
        kit.check_places()
        assert len(kit.states()) == 3
        assert all(kit.rows(f"SELECT count(*) FROM eve.{name}") == [(0,)] for name in TABLES)
    finally:
        kit.close()


def test_no_statement_of_ours_uses_what_others_have_planted(attacker: Attacker, dsn: str) -> None:
    """Not even where the database's own default puts their schemas in front."""
    plant(attacker.conn, "public")
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(
            sql.SQL("ALTER DATABASE {} SET search_path = public, pg_catalog").format(
                sql.Identifier(dbname(dsn))
            )
        )
    with psycopg.connect(dsn) as conn, pytest.raises(psycopg.errors.RaiseException):
        conn.execute("SELECT now()")  # the trap works
    migrate(dsn)
    with App(dsn) as app:
        kind = app.kind("k")
        jobs = [kind.enqueue(1), kind.enqueue(2, unique_key="a")]
        kind.enqueue_many([3, 4], return_ids=True)
        kind.enqueue_many([{"n": n} for n in range(600)])
        assert jobs[0].state() == "ready"
    kit = Kit(dsn)
    try:
        kit.store.due([])
        batch = kit.batch(1, 2)
        kit.store.beat()
        kit.store.settle(1, [done(batch)])
        kit.batch(2, 2)
        (node,) = kit.store.nodes()
        assert kit.store.bury(node.id, node.beat_at)
        assert kit.store.reap(100, 10, 2).returned == 2
    finally:
        kit.close()
    with connect_admin(dsn, "actorq") as conn:
        cancel(conn, [jobs[0].id])
        status.status(conn)
        admin_jobs.jobs(conn, [jobs[0].id])
        change.retry(conn, [jobs[0].id])
        list(prune.prune(conn, older_than_s=0))


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT args FROM actorq.job",
        "SELECT * FROM actorq.jobs",
        "SELECT * FROM actorq.result",
        "SELECT * FROM actorq.failure",
        "UPDATE actorq.job SET args = '1'",
        "DELETE FROM actorq.job",
        "INSERT INTO actorq.ready (id, run_at, lane, priority) VALUES (1, now(), 1, 5)",
        "INSERT INTO actorq.job (kind, attempt) VALUES ('k', 1)",
        "INSERT INTO actorq.lease (node, n, lane, suspect, jobs)"
        " VALUES (gen_random_uuid(), 1, 1, 0, '{1}')",
        "DELETE FROM actorq.node",
        "SELECT actorq.job_inserted()",
        "CREATE TABLE actorq.mine ()",
        "ALTER TABLE actorq.job DISABLE TRIGGER ALL",
        "CREATE TRIGGER mine AFTER INSERT ON actorq.job EXECUTE FUNCTION actorq.job_inserted()",
    ],
)
def test_a_role_that_may_only_enqueue_can_do_nothing_else(
    attacker: Attacker, statement: str
) -> None:
    attacker.conn.execute("INSERT INTO actorq.job (kind, args) VALUES ('k', '1')")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        attacker.conn.execute(statement.encode())
