"""The SQL files of the store, found by their names, with their placeholders filled in.

`{schema}` becomes the quoted schema name, `{rows}` a list of rows, `{lock}` a locking clause or
nothing, and `{NAME}` the text of pieces/NAME.sql, which several statements share. Nothing else in a
statement is ever assembled from strings.

A file names its parameters, `:lane`, and lists them in its header. PostgreSQL knows only numbers,
so each name is replaced by that of its place in the list, once, when the file is read. Parameters
are sent beside the text, with one exception: `Calls.together` runs several prepared statements in
one message, each by an EXECUTE with the parameters as quoted literals.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TypeVar

from actorq.errors import ConfigError, InternalError

V = TypeVar("V")

SQL = Path(__file__).parents[1] / "sql"
"""A folder for each of the store's folders and purposes; no two statements share a name."""

_SCHEMA = re.compile(r"[a-z_][a-z0-9_]{0,47}")
_RESERVED = {"public", "information_schema"}
_NAMED = re.compile(r"(?<!:):([a-z][a-z0-9_]*)")  # not the type of a cast, which has two colons
_PIECE = re.compile(r"\{(\w+)\}")
_LISTED = re.compile(r"^--   ([a-z][a-z0-9_]*) ", re.MULTILINE)  # further lines are indented more


def checked_schema(schema: str) -> str:
    """Return the schema name, or raise ConfigError if it cannot be one of ours."""
    if _SCHEMA.fullmatch(schema) and not schema.startswith("pg_") and schema not in _RESERVED:
        return schema
    raise ConfigError(
        f"schema name {schema[:80]!r}: use 1 to 48 lower-case letters, digits and underscores, "
        "not starting with a digit or pg_, and not public"
    )


@cache
def _files() -> dict[str, Path]:
    """Return the path of each statement by its name."""
    return {path.stem: path for path in SQL.glob("*/*.sql")}


@cache
def _text(name: str) -> str:
    return _files()[name].read_text("utf-8")


def _body(name: str) -> str:
    """Return NAME.sql without its comments, and with the shared pieces filled in."""
    lines = (line for line in _text(name).splitlines() if not line.lstrip().startswith("--"))
    text = "\n".join(lines).strip().rstrip(";")
    return _PIECE.sub(lambda found: _body(found[1]) if found[1] in _pieces() else found[0], text)


@cache
def _pieces() -> set[str]:
    return {path.stem for path in (SQL / "pieces").glob("*.sql")}


@cache
def statement(name: str, schema: str) -> str:
    """Return the text of NAME.sql for a schema: numbered parameters, no comments."""
    text = _body(name).replace("{schema}", quoted(schema))
    numbers = {param: f"${n}" for n, param in enumerate(parameters_of(name), 1)}
    return _NAMED.sub(lambda found: numbers[found[1]], text)


@cache
def parameters_of(name: str) -> tuple[str, ...]:
    """Return the names of the parameters of NAME.sql, in the order of their numbers."""
    return tuple(_LISTED.findall(_text(name)))


def in_order(name: str, params: Mapping[str, V]) -> list[V]:
    """Return what is given for the parameters of NAME.sql, in the order of their numbers."""
    order = parameters_of(name)
    try:
        values = [params[param] for param in order]
    except KeyError:
        values = None
    if values is None or len(values) != len(params):
        raise InternalError(f"{name}.sql takes {', '.join(order)}; given: {', '.join(params)}")
    return values


def quoted(schema: str) -> str:
    """Return the schema name as a quoted SQL identifier."""
    return f'"{checked_schema(schema)}"'
