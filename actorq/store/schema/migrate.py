"""Migrations: numbered SQL files, applied in order, each exactly once.

A migration and the row that records it commit together. Two processes that migrate at once
take turns; the second finds nothing left to do.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import psycopg

from actorq.errors import SchemaMismatch
from actorq.store.session.connection import connect, unit
from actorq.store.session.faults import translated
from actorq.store.session.statements import quoted

LOCK_TIMEOUT_S = 30.0
_FUNCTION = re.compile(r"^CREATE FUNCTION [^;]*?\$\$.*?\$\$;$", re.M | re.S)


class Migration(NamedTuple):
    """Hold one numbered file of SQL."""

    n: int
    name: str
    text: str


@cache
def migrations() -> tuple[Migration, ...]:
    """Return every migration that this version of actorq knows, in order."""
    entries = (files(__package__) / "migrations").iterdir()
    found = sorted((e.name, e.read_text("utf-8")) for e in entries if e.name.endswith(".sql"))
    return tuple(Migration(int(name[:4]), name.removesuffix(".sql"), sql) for name, sql in found)


def migrate(dsn: str, schema: str = "actorq") -> list[str]:
    """Bring the schema up to date and return the names of the migrations applied."""
    conn = connect(
        dsn,
        name="actorq migrate",
        schema=schema,
        lock_timeout_s=LOCK_TIMEOUT_S,
        statement_timeout_s=3600,
        deadline_s=3700,
        session=False,
        own_path=False,  # an event trigger of somebody's may go by it; our own names are in full
    )
    with conn, translated(), unit(conn):
        _lock(conn, schema)
        missing = _missing(conn, schema)
        if missing:
            _begin(conn, schema)
        for migration in missing:
            conn.execute(_text(migration, schema).encode())
    return [migration.name for migration in missing]


def sql_text(schema: str = "actorq") -> str:
    """Return the SQL that makes the whole schema in a fresh database, to be run with psql."""
    parts = [_text(migration, schema) for migration in migrations()]
    return "\n".join(["BEGIN;", _made(schema), _table(schema), *parts, "COMMIT;", ""])


def is_renamed(conn: psycopg.Connection[Any], schema: str = "actorq") -> bool:
    """Return whether there is a schema of ours of this name whose functions look for another."""
    with translated():
        row = conn.execute(
            "SELECT position(%s || '.' in p.prosrc) = 0 FROM pg_proc p"
            " WHERE p.pronamespace = to_regnamespace(%s) AND p.proname = 'job_inserted'",
            [quoted(schema), quoted(schema)],
        ).fetchone()
    return row is not None and bool(row[0])


def restore_names(conn: psycopg.Connection[Any], schema: str = "actorq") -> None:
    """Make the functions anew after ALTER SCHEMA … RENAME: all else in a schema knows its place."""
    texts = [text for migration in migrations() for text in _FUNCTION.findall(migration.text)]
    with translated(), conn.transaction():
        for text in texts:
            replacing = text.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION", 1)
            conn.execute(replacing.replace("{schema}", quoted(schema)).encode())


def check(conn: psycopg.Connection[Any], schema: str = "actorq") -> None:
    """Raise SchemaMismatch unless the schema is exactly the one this version expects."""
    known = migrations()[-1].n
    with translated():
        found = _version(conn, schema)
    fix = f"run: actorq migrate{'' if schema == 'actorq' else f' --schema {schema}'}"
    if found is None:
        raise SchemaMismatch(f"the database has no actorq schema {schema!r}; {fix}")
    if found < known:
        raise SchemaMismatch(
            f"the schema {schema!r} is too old: version {found}, needed {known}; {fix}"
        )
    if found > known:
        raise SchemaMismatch(
            f"the schema {schema!r} is too new: version {found}, this actorq knows {known}; "
            "upgrade actorq (pip install --upgrade actorq)"
        )
    if is_renamed(conn, schema):
        raise SchemaMismatch(
            f"the schema was renamed to {schema!r}; run: actorq doctor --repair --schema {schema}"
        )


def _version(conn: psycopg.Connection[Any], schema: str) -> int | None:
    name = f"{quoted(schema)}.migration"
    row = conn.execute("SELECT to_regclass(%s) IS NOT NULL", [name]).fetchone()
    if row is None or not row[0]:
        return None
    found = conn.execute(f"SELECT max(n) FROM {name}".encode()).fetchone()
    return None if found is None else found[0]


def _lock(conn: psycopg.Connection[Any], schema: str) -> None:
    # Of the database and the name: before the first migration the schema has no oid.
    conn.execute("SELECT pg_advisory_xact_lock(hashtextextended('actorq ' || %s, 0))", [schema])


def _missing(conn: psycopg.Connection[Any], schema: str) -> list[Migration]:
    found = _version(conn, schema) or 0
    if found > migrations()[-1].n:
        check(conn, schema)
    return [migration for migration in migrations() if migration.n > found]


def _begin(conn: psycopg.Connection[Any], schema: str) -> None:
    """Make the schema and its first table where they are missing.

    CREATE … IF NOT EXISTS asks for the right to make them even where they exist.
    """
    conn.execute(_made(schema).encode())
    if _version(conn, schema) is None:
        conn.execute(_table(schema).encode())


def _made(schema: str) -> str:
    return f"""DO $$ BEGIN
    IF to_regnamespace('{quoted(schema)}') IS NULL THEN
        CREATE SCHEMA {quoted(schema)};
    END IF;
END $$;"""


def _table(schema: str) -> str:
    return f"""CREATE TABLE {quoted(schema)}.migration (
    n          int         PRIMARY KEY,
    name       text        NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT statement_timestamp()
);"""


def _text(migration: Migration, schema: str) -> str:
    body = migration.text.replace("{schema}", quoted(schema))
    record = f"INSERT INTO {quoted(schema)}.migration (n, name) VALUES "
    return f"{body}\n{record}({migration.n}, '{migration.name}');"
