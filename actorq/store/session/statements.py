"""The SQL files of the store, found by their names, with their markers filled in.

`{schema}` becomes the quoted schema name, `{rows}` a list of rows, and `{lock}` a locking clause
or nothing; nothing else in a statement is ever put together from strings. Parameters travel
beside it, with one exception: `Calls.together` runs several prepared statements in one message,
each by an EXECUTE that it puts together, with the parameters as quoted literals.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from actorq.errors import ConfigError

SQL = Path(__file__).parents[1] / "sql"
"""A folder for each of the store's folders and purposes; no two statements share a name."""

_SCHEMA = re.compile(r"[a-z_][a-z0-9_]{0,47}")
_RESERVED = {"public", "information_schema"}


def checked_schema(schema: str) -> str:
    """Return the schema name, or raise ConfigError where it could not be one of ours."""
    if _SCHEMA.fullmatch(schema) and not schema.startswith("pg_") and schema not in _RESERVED:
        return schema
    raise ConfigError(
        f"schema name {schema[:80]!r}: use 1 to 48 lower-case letters, digits and underscores, "
        "not starting with a digit or pg_, and not public"
    )


@cache
def _files() -> dict[str, Path]:
    """Return the place of each statement by its name."""
    return {path.stem: path for path in SQL.glob("*/*.sql")}


@cache
def statement(name: str, schema: str) -> str:
    """Return the text of NAME.sql for a schema, comments left out."""
    text = _files()[name].read_text("utf-8")
    lines = (line for line in text.splitlines() if not line.lstrip().startswith("--"))
    return "\n".join(lines).replace("{schema}", quoted(schema)).strip().rstrip(";")


def quoted(schema: str) -> str:
    """Return the schema name as a quoted SQL identifier."""
    return f'"{checked_schema(schema)}"'
