"""Connections: how they are opened, what is set on them, and their deadline.

Whatever a role, a database or a DSN presets, a connection of ours behaves the same: names are
looked up in pg_catalog alone, transactions read committed rows, and no call waits forever.

Behind a pooler, the server process may belong to another client a moment later. Therefore nothing
is set before it is known what answers, and then for a transaction only, unless the process is ours
until we disconnect.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any, Literal, TypeVar

import psycopg
from psycopg import errors as pg_errors
from psycopg.abc import PQGen
from psycopg.pq import DiagnosticField, ExecStatus, TransactionStatus
from psycopg.pq.abc import PGresult
from psycopg.rows import TupleRow

from actorq.errors import ConfigError, StoreUnavailable
from actorq.escape import escape
from actorq.store.session.deadline import Deadline
from actorq.store.session.epoch import MOVED, Epoch, is_read_only
from actorq.store.session.faults import fault
from actorq.store.session.interrupt import ENDED, INTERRUPT, Interrupt
from actorq.store.session.settings import UNSEEN, put, settings_of
from actorq.store.session.statements import checked_schema

T = TypeVar("T")
Pooling = Literal["none", "session", "transaction"]
"""Whose the server process is: ours, ours through a pooler, or ours for a transaction only."""

log = logging.getLogger("actorq")

LOCAL = ("localhost", "127.0.0.1", "::1", "")

CONNECT_TIMEOUT_S = 10
PROBE_S, PROBES = 5.0, 3
NEVER = 2**31  # prepare by itself; None would also disable preparing on demand
_KEEPALIVE = {
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}


class Session(psycopg.Connection[TupleRow]):
    """A connection on which every wait ends: at the answer, or at the deadline."""

    deadline_s: float = 30.0
    pooling: Pooling = "none"
    local: Mapping[str, str] = {}
    """What each transaction has to set for itself; see `unit`."""

    _dsn = ""
    _epoch: Epoch | None = None
    _epoch_n = 0
    _was_read_only = False
    _interrupt: Interrupt | None = None

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        """Wait for the server, but no longer than `deadline_s`; then the connection is gone."""
        self._check_may_begin()
        given = self.deadline_s if timeout is None else timeout
        try:
            value = super().wait(gen, interval, given)
        except pg_errors._WaitTimeout as exc:
            if timeout is not None:
                raise
            raise self._ended(f"no answer from the database within {given:g} s") from exc
        except pg_errors.ReadOnlySqlTransaction:
            self._end_epoch()
            raise
        self._learn()
        return value

    def blocking(self, call: Callable[[], PGresult]) -> PGresult:
        """Call a function of libpq that itself waits for the answer, with the same deadline."""
        self._check_may_begin()
        with Deadline(self.pgconn.socket, self.deadline_s) as deadline:
            result = call()
        if deadline.missed:
            raise self._ended(f"no answer from the database within {self.deadline_s:g} s")
        self._learn()
        if result.status in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK):
            return result
        if state := result.error_field(DiagnosticField.SQLSTATE):
            if state == b"25006":
                self._end_epoch()
            raise pg_errors.error_from_result(result)
        raise psycopg.OperationalError(result.get_error_message())

    def join(self, epoch: Epoch) -> None:
        """Share knowledge about the server with the other connections of this epoch."""
        self._was_read_only = is_read_only(self.pgconn)
        self._epoch, self._epoch_n = epoch, epoch.begun(self._was_read_only)

    @property
    def is_outdated(self) -> bool:
        """Return whether the epoch in which this connection was opened is over."""
        return self._epoch is not None and self._epoch.n != self._epoch_n

    def twin(self) -> Session:
        """Open another connection to the same place, on which nothing is set."""
        return _opened(self._dsn, "actorq")

    def heed(self, interrupt: Interrupt | None) -> None:
        """Begin no further transaction once this interrupt is requested."""
        self._interrupt = interrupt
        if interrupt is not None:
            interrupt.join(self)

    def _check_may_begin(self) -> None:
        """Refuse to begin anything on a server that others have left, or for a cancelled call."""
        is_given_up = self._interrupt is not None and self._interrupt.asked
        if not (is_given_up or self.is_outdated):
            return
        if self.pgconn.transaction_status == TransactionStatus.IDLE:
            raise self._ended(ENDED if is_given_up else MOVED)

    def _learn(self) -> None:
        """Note what the server has reported about itself along with its answer."""
        if self._epoch is not None and not self._was_read_only and is_read_only(self.pgconn):
            self._end_epoch()

    def _end_epoch(self) -> None:
        if self._epoch is not None and not self._was_read_only:
            self._epoch.end(self._epoch_n)

    def _ended(self, text: str) -> psycopg.OperationalError:
        self.pgconn.finish()
        return psycopg.OperationalError(text)

    def rollback(self) -> None:
        """Roll back an open transaction; do nothing if there is none, not even begin one."""
        if self.pgconn.transaction_status != TransactionStatus.IDLE:
            super().rollback()

    def close(self) -> None:
        """Close the connection; a pooler gets the server process back as it was."""
        idle = TransactionStatus.IDLE
        if self.pooling == "session" and self.pgconn.transaction_status == idle:
            with suppress(psycopg.Error):
                self.execute("DISCARD ALL")
        super().close()


def connect(
    dsn: str,
    *,
    name: str,
    schema: str = "actorq",
    lock_timeout_s: float = 0.2,
    statement_timeout_s: float = 20.0,
    deadline_s: float = 25.0,
    session: bool = True,
    sees_all: bool = True,
    own_path: bool = True,
    epoch: Epoch | None = None,
) -> Session:
    """Open a connection with every session option set, or raise StoreUnavailable.

    With `session`, a connection through a transaction pooler is refused, because prepared
    statements, LISTEN and session options would affect other clients. Without it, options are only
    set within a `unit`. With `sees_all`, a statement from which row-level security would hide rows
    is an error. Without `own_path`, names are looked up as the role is configured: see `migrate`.
    """
    checked_schema(schema)
    conn = _opened(dsn, name)
    try:
        conn.deadline_s = deadline_s
        settings = settings_of(conn, lock_timeout_s, statement_timeout_s)
        settings |= UNSEEN if sees_all else {}
        if not own_path:
            del settings["search_path"]
        _begin(conn, settings, session)
        _check_encoding(conn)
        if epoch is not None:
            conn.join(epoch)
    except psycopg.Error as exc:
        conn.close()
        raise fault(exc) from exc
    except BaseException:
        conn.close()
        raise
    return conn


def connect_pooled(dsn: str, *, deadline_s: float, epoch: Epoch) -> Session:
    """Open a connection through a declared transaction pooler: nothing at all is set."""
    conn = _opened(dsn, "actorq client")
    conn.deadline_s, conn.pooling, conn.prepare_threshold = deadline_s, "transaction", None
    conn.join(epoch)
    return conn


@contextmanager
def unit(conn: psycopg.Connection[object]) -> Iterator[None]:
    """Run a transaction with our settings; on a connection that is not ours they end with it."""
    with conn.transaction():
        if isinstance(conn, Session):
            put(conn, conn.local, local=True)
        yield


def _begin(conn: Session, settings: dict[str, str], session: bool) -> None:
    """Find out what answers, then make the settings in the way that does no harm."""
    if server_pid(conn) == conn.info.backend_pid:
        put(conn, settings, local=False)
    elif not session:
        conn.pooling, conn.local, conn.prepare_threshold = "transaction", settings, None
    elif keeps_server(conn):
        conn.pooling = "session"
        put(conn, settings, local=False)
    else:
        raise ConfigError(
            "the DSN leads to a connection pooler that lends its server connections for a "
            "transaction at a time: a supervisor needs a direct connection to PostgreSQL, or "
            "one pooled by session (only enqueuing works through this one)"
        )


def server_pid(conn: psycopg.Connection[Any]) -> int:
    """Return the id of the server process that answers; a pooler tells its client another one."""
    row = conn.execute("SELECT pg_catalog.pg_backend_pid()").fetchone()
    return int(row[0]) if row else 0


def keeps_server(conn: Session) -> bool:
    """Return whether a pooler gives a client one server process until it disconnects.

    No answer says so directly. But if two clients that take turns, even while the other one is in
    a transaction, always meet processes of their own, then these are theirs.
    """
    ours = {server_pid(conn)}
    with conn.twin() as other:
        other.deadline_s = PROBE_S
        try:
            theirs = {server_pid(other)}
        except psycopg.OperationalError as exc:
            raise StoreUnavailable(
                f"the pooler gave no second connection within {PROBE_S:g} s; a supervisor "
                "needs five of them"
            ) from exc
        for _ in range(PROBES):
            if theirs & ours:
                return False
            with other.transaction():
                theirs.add(server_pid(other))
                ours.add(server_pid(conn))
        return len(theirs) == len(ours) == 1


def _opened(dsn: str, name: str) -> Session:
    defaults = {"connect_timeout": CONNECT_TIMEOUT_S, "application_name": name, **_KEEPALIVE}
    given = parameters(dsn)
    if "," in str(given.get("host") or given.get("hostaddr") or ""):
        defaults["target_session_attrs"] = "read-write"  # not the first that answers
    params: dict[str, Any] = {**defaults, **given, "client_encoding": "UTF8"}
    try:
        conn = Session.connect("", autocommit=True, prepare_threshold=NEVER, **params)
    except psycopg.Error as exc:
        # A login that is refused now may be allowed later, so it is always worth another try.
        raise StoreUnavailable(f"cannot connect to the database: {str(exc).strip()}") from exc
    warn_of_transport(conn.info.host, conn.info.get_parameters().get("sslmode", "prefer"))
    conn._dsn = dsn
    conn.heed(INTERRUPT.get())
    return conn


def parameters(dsn: str) -> dict[str, Any]:
    """Return the parts of a DSN, or raise ConfigError without any word that could be a password."""
    try:
        given = psycopg.conninfo.conninfo_to_dict(dsn)
    except psycopg.Error:
        # The parser's own text is not kept as the cause either, since tracebacks show it.
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
    """Warn, once, if nobody can know who answers on the other side of a network."""
    if risk := transport_risk(host, sslmode):
        log.warning("the database on %s: %s", escape(host, 200), risk)


def transport_risk(host: str, sslmode: str) -> str | None:
    """Return what is wrong with a connection to a distant server, None if nothing is."""
    if host.startswith(("/", "@")) or host in LOCAL or sslmode == "verify-full":
        return None
    return f"sslmode={sslmode} to another host does not prove who answers: use verify-full"


def _check_encoding(conn: Session) -> None:
    encoding = conn.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise ConfigError(
            f"the database has the encoding {encoding}: actorq needs UTF8 "
            "(CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0)"
        )


def alive(conn: psycopg.Connection[object]) -> bool:
    """Return whether the connection can still be used, as far as the client knows."""
    return not (conn.closed or conn.broken)
