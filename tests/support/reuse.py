"""Databases that tests use one after another: emptied and renamed, which is cheaper than a new one.

A copy of the template is three hundred files to write and to remove. A database in which a test has
changed anything but rows is not used again, nor is one that cannot be emptied at once.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator

import psycopg
from psycopg import conninfo, sql

MADE = (
    "pg_attrdef", "pg_cast", "pg_collation", "pg_constraint", "pg_default_acl", "pg_event_trigger",
    "pg_extension", "pg_largeobject_metadata", "pg_namespace", "pg_policy", "pg_proc",
    "pg_publication", "pg_rewrite", "pg_statistic_ext", "pg_trigger", "pg_type",
)  # fmt: skip
"""The catalogs that say what has been made, beside those below."""

FINGERPRINT = " UNION ALL ".join(
    [
        # What the server brings along has lower numbers.
        *(f"SELECT '{name}', t::text FROM {name} t WHERE oid >= 16384" for name in MADE),
        "SELECT 'namespace', t::text FROM pg_namespace t WHERE oid < 16384",
        "SELECT 'function', oid || proacl::text FROM pg_proc WHERE oid < 16384 AND proacl <> '{}'",
        "SELECT 'attribute', t::text FROM pg_attribute t WHERE attrelid >= 16384 AND attnum > 0",
        "SELECT 'index', t::text FROM pg_index t WHERE indexrelid >= 16384",
        "SELECT 'sequence', t::text FROM pg_sequence t",
        "SELECT 'relation', (to_jsonb(t) - '{relfilenode,relpages,reltuples,relallvisible,"
        "relallfrozen,relfrozenxid,relminmxid}'::text[])::text FROM pg_class t WHERE oid >= 16384",
        "SELECT 'migration', t::text FROM actorq.migration t",
        "SELECT 'settings', t::text FROM pg_db_role_setting t WHERE setdatabase ="
        " (SELECT oid FROM pg_database WHERE datname = current_database())",
        "SELECT 'database', (to_jsonb(t) - '{datname,oid,datfrozenxid,datminmxid}'::text[])::text"
        " FROM pg_database t WHERE datname = current_database()",
    ]
)

EMPTY = """
DO $$
DECLARE
    filled text;
    counter regclass;
BEGIN
    -- Vacuum counts what is in a table that is empty, and the planner then knows that it is.
    SELECT string_agg(oid::regclass::text, ', ') INTO filled FROM pg_class
    WHERE relnamespace = 'actorq'::regnamespace AND relkind = 'r' AND relname <> 'migration'
        AND (pg_relation_size(oid) > 0 OR reltuples >= 0);
    IF filled IS NOT NULL THEN
        EXECUTE 'TRUNCATE ' || filled || ' CASCADE';
    END IF;
    FOR counter IN SELECT seqrelid FROM pg_sequence
        WHERE pg_sequence_last_value(seqrelid) IS NOT NULL
    LOOP
        EXECUTE format('ALTER SEQUENCE %s RESTART', counter);
    END LOOP;
    DELETE FROM pg_statistic WHERE starelid >= 16384;
    PERFORM pg_stat_reset();
END $$
"""


class Databases:
    """Lends databases that are all like the template."""

    def __init__(self, server: str, template: str) -> None:
        self._server, self._template = server, template
        self._free: list[str] = []
        self._like = _fingerprint(conninfo.make_conninfo(server, dbname=template))

    @contextlib.contextmanager
    def one(self) -> Iterator[str]:
        """Yield the connection string of an empty database; its sessions end with it."""
        name = self._free.pop() if self._free else self._new()
        dsn = conninfo.make_conninfo(self._server, dbname=name)
        try:
            yield dsn
        finally:
            if not self._keep(name, dsn):
                self._run("DROP DATABASE {} WITH (FORCE)", name)

    def close(self) -> None:
        """Drop those that nobody uses."""
        while self._free:
            self._run("DROP DATABASE {} WITH (FORCE)", self._free.pop())

    def _new(self) -> str:
        name = _name()
        self._run("CREATE DATABASE {} TEMPLATE {}", name, self._template)
        return name

    def _keep(self, name: str, dsn: str) -> bool:
        """Make a used database like a new one; tell whether that could be done."""
        fresh = _name()
        try:
            with psycopg.connect(dsn, autocommit=True) as conn:
                conn.execute(
                    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
                if _looked_at(conn) != self._like:
                    return False
                # The guards against emptying a table by mistake are triggers.
                conn.execute("SET session_replication_role = replica")
                conn.execute("SET lock_timeout = '5s'")
                conn.execute(EMPTY)
            # Refused while anybody is connected; who comes later by the old name finds nothing.
            self._run("ALTER DATABASE {} RENAME TO {}", name, fresh)
        except psycopg.Error:
            return False
        self._free.append(fresh)
        return True

    def _run(self, statement: str, *names: str) -> None:
        with psycopg.connect(self._server, autocommit=True) as conn:
            identifiers = map(sql.Identifier, names)
            conn.execute(sql.SQL(statement).format(*identifiers))


def _name() -> str:
    return f"actorq_test_{uuid.uuid4().hex[:12]}"


def _fingerprint(dsn: str) -> object:
    with psycopg.connect(dsn, autocommit=True) as conn:
        return _looked_at(conn)


def _looked_at(conn: psycopg.Connection) -> object:
    """Return a number that is another one where anything but rows has changed."""
    summed = "SELECT sum(hashtextextended(a || coalesce(b, ''), 0)::numeric) FROM"
    return conn.execute(f"{summed} ({FINGERPRINT}) made (a, b)".encode()).fetchone()
