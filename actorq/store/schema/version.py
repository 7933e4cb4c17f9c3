"""Whether this code and the schema in the database can work together."""

from __future__ import annotations

from typing import Any, NamedTuple

import psycopg

from actorq.errors import SchemaMismatch
from actorq.store.schema import numbered
from actorq.store.schema.renamed import is_renamed
from actorq.store.session.faults import translated
from actorq.store.session.statements import checked_schema, quoted


class Version(NamedTuple):
    """What the database says about its schema."""

    n: int
    """The last migration of which every step was run."""

    min_code: int
    """The oldest code that can work with it, according to the newest migration that it records."""


def code() -> int:
    """Return the number of the newest migration that this code knows."""
    return numbered.migrations()[-1].n


def version(conn: psycopg.Connection[Any], schema: str) -> Version | None:
    """Return what the database says about its schema, None if it has none."""
    # Not to_regclass, which may answer from a cache as of before a lock was waited for.
    row = conn.execute(
        "SELECT FROM pg_catalog.pg_class c"
        " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = %s AND c.relname = 'migration'",
        [checked_schema(schema)],
    ).fetchone()
    if row is None:
        return None
    found = conn.execute(
        "SELECT coalesce(max(n) FILTER (WHERE applied_at IS NOT NULL), 0),"
        f" coalesce(max(min_code), 0) FROM {quoted(schema)}.migration".encode()
    ).fetchone()
    return Version(*found) if found else None


def check(conn: psycopg.Connection[object], schema: str = "actorq") -> None:
    """Raise SchemaMismatch unless the schema is one that this version can work with."""
    check_version(conn, schema)
    if is_renamed(conn, schema):
        raise SchemaMismatch(
            f"the schema was renamed to {schema!r}; run: actorq doctor --repair --schema {schema}"
        )


def check_version(conn: psycopg.Connection[object], schema: str) -> None:
    """Raise SchemaMismatch if the schema is missing, or too old or too new for this code."""
    with translated():
        found = version(conn, schema)
    fix = f"run: actorq migrate{'' if schema == 'actorq' else f' --schema {schema}'}"
    if found is None:
        raise SchemaMismatch(f"the database has no actorq schema {schema!r}; {fix}")
    check_not_too_new(found, schema)
    if found.n < code():
        raise SchemaMismatch(
            f"the schema {schema!r} is too old: version {found.n}, needed {code()}; {fix}"
        )


def check_not_too_new(found: Version, schema: str) -> None:
    """Raise SchemaMismatch if a contract was begun that this code cannot work with."""
    if found.min_code > code():
        raise SchemaMismatch(
            f"the schema {schema!r} is too new: only an actorq that knows version "
            f"{found.min_code} can work with it, this one knows {code()}; "
            "upgrade actorq (pip install --upgrade actorq)"
        )
