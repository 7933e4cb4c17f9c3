"""Where the database is: argument, then ACTORQ_DSN, then the PG* variables of libpq."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

import msgspec

from actorq.errors import ConfigError

VARIABLE = "ACTORQ_DSN"
_LIBPQ = ("PGHOST", "PGHOSTADDR", "PGPORT", "PGDATABASE", "PGUSER", "PGSERVICE", "PGSERVICEFILE")

# This matches up to the last @ of the word, because a password may contain any character that
# should have been escaped; and also without ://, which may have been forgotten.
_IN_URL = re.compile(r"(?<=://)([^/?#@:\s]*):(\S*)@|(?<![^\s'\"])([^/?#@:\s'\"=]+):([^\s/]\S*)@")
_SCHEME = re.compile(r"\s*([A-Za-z][\w+.:-]*)://")
_AS_SETTING = re.compile(r"(?i)\b((?:ssl)?password\s*=\s*)('(?:[^'\\]|\\.)*'?|(?:\\.|[^\s&\\])+)")


class Place(msgspec.Struct, frozen=True, array_like=True):
    """Where jobs are: the database and its schema. Actors are told it, but it is never shown."""

    dsn: str
    schema: str

    def __repr__(self) -> str:
        return f"Place(schema={self.schema!r})"  # a DSN may contain a password


def find_dsn(dsn: str | None = None, environ: Mapping[str, str] | None = None) -> str:
    """Return the DSN to use; an empty one leaves everything to the PG* variables.

    Raises ConfigError if nothing says where the database is: an empty private one instead would
    take jobs that nobody ever sees.
    """
    if dsn is not None:
        return _checked(dsn, "dsn")
    variables = os.environ if environ is None else environ
    if variables.get(VARIABLE):
        return _checked(variables[VARIABLE], VARIABLE)
    if any(variables.get(name) for name in _LIBPQ):
        return ""
    raise ConfigError(
        "no database is configured. Name one in any of three ways: "
        f"--dsn postgresql://… on the command line or App(dsn='postgresql://…'), the environment "
        f"variable {VARIABLE}, or libpq's own variables (PGHOST, PGDATABASE, …). For a private "
        "server on this machine: --embedded on the command line, or App(embedded=True)"
    )


def masked(dsn: str) -> str:
    """Return a DSN without its passwords, for messages and logs."""
    return _AS_SETTING.sub(r"\1***", _IN_URL.sub(r"\1\3:***@", dsn))


def _also(scheme: str) -> str:
    if scheme.startswith(("postgresql+", "postgres+")):
        return " (the driver after the + is SQLAlchemy's to know)"
    return "" if scheme == "jdbc:postgresql" else "; actorq works with PostgreSQL only"


def _checked(dsn: object, name: str) -> str:
    if not isinstance(dsn, str):
        raise ConfigError(f"{name} must be text, not {type(dsn).__name__}")
    if not dsn.strip():
        raise ConfigError(f"{name} is empty: give a DSN like postgresql://user@host/database")
    if "\0" in dsn:
        raise ConfigError(f"{name} holds a NUL character")
    scheme = _SCHEME.match(dsn)
    if scheme and scheme[1].lower() not in ("postgresql", "postgres"):
        raise ConfigError(
            f"{name} begins with {scheme[1][:40]}://, which libpq does not know: write "
            f"postgresql:// and the rest as it is{_also(scheme[1].lower())}"
        )
    return dsn
