"""Connections: how they are opened, what is set on them, and their deadline.

Whatever a role, a database or a DSN presets, a connection of ours behaves the same: names are
looked up in pg_catalog alone, transactions read committed rows, and no call waits for ever.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

import psycopg
from psycopg import errors as pg_errors
from psycopg.abc import PQGen
from psycopg.pq import DiagnosticField, ExecStatus
from psycopg.pq.abc import PGresult
from psycopg.rows import TupleRow

from actorq.errors import ConfigError, StoreUnavailable
from actorq.escape import escape
from actorq.store.deadline import Deadline
from actorq.store.faults import fault
from actorq.store.statements import checked_schema

T = TypeVar("T")

log = logging.getLogger("actorq")

LOCAL = ("localhost", "127.0.0.1", "::1", "")

CONNECT_TIMEOUT_S = 10
NEVER = 2**31  # prepare by itself; None would also disable preparing on demand
SETTINGS = {
    # Generic plans: a custom plan made from the statistics of an empty table is ten times slower.
    "plan_cache_mode": "force_generic_plan",
    "jit": "off",
    # A batch's args, 16 MiB at most, are gathered by the claim before it answers: with 4 MB, the
    # server's own default, they took the way over a file (10 kB a job: 0.85 of the rate).
    "work_mem": "64MB",
    "default_transaction_isolation": "read committed",
    "default_transaction_deferrable": "off",
    "search_path": "pg_catalog, pg_temp",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "bytea_output": "hex",
    "array_nulls": "on",
    "standard_conforming_strings": "on",
    "synchronous_commit": "on",
    "idle_in_transaction_session_timeout": "60s",
    # Read by the schema's own guard: it lets us, and not a stray UPDATE, move a job's run_at.
    "actorq.own": "on",
}
_KEEPALIVE = {
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}


class Session(psycopg.Connection[TupleRow]):
    """Be a connection on which every wait ends: at the answer, or at the deadline."""

    deadline_s: float = 30.0

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        """Wait for the server, but no longer than `deadline_s`; then the connection is gone."""
        if timeout is not None:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, self.deadline_s)
        except pg_errors._WaitTimeout as exc:
            raise self._unanswered() from exc

    def blocking(self, call: Callable[[], PGresult]) -> PGresult:
        """Make a call of libpq that waits for its answer by itself, with the same deadline."""
        with Deadline(self.pgconn.socket, self.deadline_s) as deadline:
            result = call()
        if deadline.missed:
            raise self._unanswered()
        if result.status in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK):
            return result
        if result.error_field(DiagnosticField.SQLSTATE):
            raise pg_errors.error_from_result(result)
        raise psycopg.OperationalError(result.get_error_message())

    def _unanswered(self) -> psycopg.OperationalError:
        self.pgconn.finish()
        text = f"no answer from the database within {self.deadline_s:g} s"
        return psycopg.OperationalError(text)


def connect(
    dsn: str,
    *,
    name: str,
    schema: str = "actorq",
    lock_timeout_s: float = 0.2,
    statement_timeout_s: float = 20.0,
    deadline_s: float = 25.0,
    session: bool = True,
) -> Session:
    """Open a connection with every session option set, or raise StoreUnavailable.

    With `session`, a connection through a pooler is refused: prepared statements, LISTEN and
    session options would end up with somebody else.
    """
    checked_schema(schema)
    conn = _opened(dsn, name)
    try:
        conn.deadline_s = deadline_s
        _prepare(conn, lock_timeout_s, statement_timeout_s)
        if session:
            _check_direct(conn)
    except psycopg.Error as exc:
        conn.close()
        raise fault(exc) from exc
    except BaseException:
        conn.close()
        raise
    return conn


def _opened(dsn: str, name: str) -> Session:
    defaults = {"connect_timeout": CONNECT_TIMEOUT_S, "application_name": name, **_KEEPALIVE}
    params: dict[str, Any] = {**defaults, **parameters(dsn), "client_encoding": "UTF8"}
    try:
        conn = Session.connect("", autocommit=True, prepare_threshold=NEVER, **params)
    except psycopg.Error as exc:
        # A login that is refused now may be allowed later: always worth another try.
        raise StoreUnavailable(f"cannot connect to the database: {str(exc).strip()}") from exc
    warn_of_transport(conn.info.host, conn.info.get_parameters().get("sslmode", "prefer"))
    return conn


def parameters(dsn: str) -> dict[str, Any]:
    """Return what a DSN says, or raise ConfigError without a word that could be a password."""
    try:
        given = psycopg.conninfo.conninfo_to_dict(dsn)
    except psycopg.Error:
        # Nor is the parser's own text kept as the cause: tracebacks show it.
        raise ConfigError("the database DSN cannot be read: check its quotes and '='") from None
    ports = str(given.get("port") or "0").split(",")
    if "@" in str(given.get("host") or "")[1:] or not all(p.isdecimal() for p in ports if p):
        raise ConfigError(
            "the database DSN cannot be read: its host or port is none. In a URL special "
            "characters of a password are written as codes: %40 for @, %2F for /, %3A for :"
        )
    return given


@cache
def warn_of_transport(host: str, sslmode: str) -> None:
    """Warn, once, where nobody can know who answers on the other side of a network."""
    if risk := transport_risk(host, sslmode):
        log.warning("the database on %s: %s", escape(host, 200), risk)


def transport_risk(host: str, sslmode: str) -> str | None:
    """Return what is wrong with a connection to a distant server, None if nothing is."""
    if host.startswith(("/", "@")) or host in LOCAL or sslmode == "verify-full":
        return None
    return f"sslmode={sslmode} to another host does not prove who answers: use verify-full"


def _prepare(conn: Session, lock_timeout_s: float, statement_timeout_s: float) -> None:
    settings = SETTINGS | {
        "lock_timeout": f"{round(lock_timeout_s * 1000)}ms",
        "statement_timeout": f"{round(statement_timeout_s * 1000)}ms",
    }
    sets = ", ".join(["pg_catalog.set_config(%s, %s, false)"] * len(settings))
    values = [part for pair in settings.items() for part in pair]
    conn.execute(f"SELECT {sets}".encode(), values)
    encoding = conn.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise ConfigError(
            f"the database has the encoding {encoding}: actorq needs UTF8 "
            "(CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0)"
        )


def _check_direct(conn: Session) -> None:
    row = conn.execute("SELECT pg_backend_pid()").fetchone()
    if row is None or row[0] != conn.info.backend_pid:
        raise ConfigError(
            "the DSN leads to a connection pooler: a supervisor needs a direct connection "
            "to PostgreSQL (only enqueuing works through a pooler)"
        )


def alive(conn: psycopg.Connection[Any]) -> bool:
    """Return whether the connection can still be used, as far as the client knows."""
    return not (conn.closed or conn.broken)
