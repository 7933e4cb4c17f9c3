"""A schema that was renamed: its functions still refer to it by its old name."""

from __future__ import annotations

import re
from typing import Any

import psycopg

from actorq.errors import SchemaMismatch
from actorq.store.schema import numbered
from actorq.store.session.faults import translated
from actorq.store.session.statements import quoted

_FUNCTION = re.compile(
    r"^CREATE (?:OR REPLACE )?FUNCTION \{schema\}\.(\w+)[^;]*?\$\$.*?\$\$;$", re.M | re.S
)


def is_renamed(conn: psycopg.Connection[Any], schema: str = "actorq") -> bool:
    """Return whether this is a schema of ours whose functions refer to another schema."""
    with translated():
        row = conn.execute(
            "SELECT position(%s || '.' in p.prosrc) = 0 FROM pg_proc p"
            " WHERE p.pronamespace = to_regnamespace(%s) AND p.proname = 'job_inserted'",
            [quoted(schema), quoted(schema)],
        ).fetchone()
    return row is not None and bool(row[0])


def restore_names(conn: psycopg.Connection[Any], schema: str = "actorq") -> None:
    """Create the functions again after ALTER SCHEMA … RENAME; everything else follows by itself."""
    with translated(), conn.transaction():
        names = conn.execute(
            "SELECT proname FROM pg_proc WHERE pronamespace = to_regnamespace(%s)",
            [quoted(schema)],
        )
        present = {name for (name,) in names}
        for name, text in _functions(_known_version(conn, schema)).items():
            if name in present:
                conn.execute(text.replace("{schema}", quoted(schema)).encode())


def _known_version(conn: psycopg.Connection[Any], schema: str) -> int:
    """Return the number of the last migration; this code must know what that created."""
    row = conn.execute(f"SELECT max(n) FROM {quoted(schema)}.migration".encode()).fetchone()
    n, known = row[0] if row else 0, numbered.migrations()[-1].n
    if n > known:
        raise SchemaMismatch(
            f"the schema {schema!r} is of version {n}, this actorq knows {known} and cannot make "
            "its functions anew; upgrade actorq (pip install --upgrade actorq)"
        )
    return int(n)


def _functions(newest: int) -> dict[str, str]:
    """Return the SQL that creates each function, as the migrations up to this one leave it."""
    texts = [step.text for each in numbered.migrations() if each.n <= newest for step in each.steps]
    return {
        found[1]: re.sub(r"^CREATE (OR REPLACE )?", "CREATE OR REPLACE ", found[0])
        for text in texts
        for found in _FUNCTION.finditer(text)
    }
