"""The SQL files beside this module, with their markers filled in.

`{schema}` becomes the quoted schema name, `{rows}` a list of rows, and `{lock}` a locking clause
or nothing; nothing else in a statement is ever put together from strings. Parameters travel
beside it, with one exception: `Calls.together` runs several prepared statements in one message,
each by an EXECUTE that it puts together, with the parameters as quoted literals.
"""

from __future__ import annotations

import re
from functools import cache

from actorq.errors import ConfigError

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
def statement(name: str, schema: str) -> str:
    """Return the text of sql/NAME.sql for a schema, comments left out."""
    from importlib.resources import files  # actors need none of it

    text = (files(__package__) / "sql" / f"{name}.sql").read_text("utf-8")
    lines = (line for line in text.splitlines() if not line.lstrip().startswith("--"))
    return "\n".join(lines).replace("{schema}", quoted(schema)).strip().rstrip(";")


def quoted(schema: str) -> str:
    """Return the schema name as a quoted SQL identifier."""
    return f'"{checked_schema(schema)}"'
