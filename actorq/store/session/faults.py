"""What a database error means for whoever sent the statement.

The driver's errors never leave the store: `translated` turns them into the errors below, each
of which carries its `remedy`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Literal

import psycopg

from actorq.errors import ActorqError, RowRefused, StoreError, StoreUnavailable

Remedy = Literal["retry", "reconnect", "halve", "hold", "bisect", "fatal"]
"""What to do: send it again; reconnect, then send it again; send less at once; keep everything and
claim nothing until the fault passes; find the refused row; stop claiming: somebody must act."""


class Contended(StoreError):
    """A deadlock, or another transaction in the way: send the statement again."""


class LockTimeout(Contended):
    """A lock that somebody else has held for longer than `lock_timeout`."""


class Repeated(Contended):
    """A settle whose number another one has used while this one ran: it has written nothing."""


class BrokenLease(StoreError):
    """A lease whose jobs cannot be run together: give it back."""


class TooSlow(StoreError):
    """A statement that exceeded its time limit: send less at once."""


class OnHold(StoreUnavailable):
    """A server that cannot write now: full disk, read-only, out of connections."""


class Forbidden(StoreError):
    """A statement that the server can never run: missing rights or tables, bad login."""


_ERRORS: dict[Remedy, type[StoreError]] = {
    "retry": Contended,
    "reconnect": StoreUnavailable,
    "halve": TooSlow,
    "hold": OnHold,
    "bisect": RowRefused,
    "fatal": Forbidden,
}
_BY_CODE: dict[str, Remedy] = {
    "40001": "retry",
    "40P01": "retry",
    "55P03": "retry",
    "57014": "halve",
    "25006": "hold",
    "25P03": "reconnect",  # the server has ended a session that was idle or too slow
    "25P04": "reconnect",
    "0A000": "fatal",
}
_NUMBERED = {"job_pkey", "lane_pkey", "failure_pkey"}
_BEHIND = (
    "the sequence is behind its table, as after a restore or a switch to a replica. "
    "Run: actorq doctor --repair"
)
_BY_CLASS: dict[str, Remedy] = {
    "08": "reconnect",
    "57": "reconnect",
    "53": "hold",
    "58": "hold",
    "22": "bisect",
    "23": "bisect",
    "54": "bisect",
    "P0": "bisect",  # raised by the user's own PL/pgSQL
    "42": "fatal",
    "28": "fatal",
    "0A": "fatal",
    "3D": "fatal",
    "3F": "fatal",
}


def remedy_of(exc: BaseException) -> Remedy:
    """Return what to do about an error that the driver raised; unknown errors are on hold."""
    if isinstance(exc, UnicodeError):
        return "bisect"
    state = exc.sqlstate if isinstance(exc, psycopg.Error) else None
    if _is_sequence_behind(exc):
        return "hold"
    if _is_repeated(exc):
        return "retry"
    if state is not None:
        return _BY_CODE.get(state) or _BY_CLASS.get(state[:2], "hold")
    # When another backend crashes, the server drops every connection; that error has no SQLSTATE.
    if isinstance(exc, psycopg.OperationalError | psycopg.InterfaceError):
        return "reconnect"
    return "bisect" if isinstance(exc, psycopg.DataError) else "hold"


def fault(exc: BaseException) -> StoreError:
    """Return actorq's own error for one that the driver raised."""
    state = exc.sqlstate if isinstance(exc, psycopg.Error) else None
    kind: type[StoreError] = _ERRORS[remedy_of(exc)]
    if kind is Contended:
        kind = LockTimeout if state == "55P03" else Repeated if _is_repeated(exc) else kind
    return kind(_text(exc, state))


def both(error: ActorqError, exc: psycopg.Error) -> ActorqError:
    """Return an error that can be caught as actorq's own and as the driver's, with its sqlstate.

    On the caller's connection, the driver raises some errors itself, for instance at the caller's
    commit. So one `except` handles an SQLSTATE wherever it occurs.
    """
    ours: Any = type(error)
    theirs: Any = type(exc)
    made: ActorqError = _class_of_both(ours, theirs)(str(error))
    made.sqlstate = exc.sqlstate  # type: ignore[attr-defined]  # the driver's
    return made


@cache
def _class_of_both(ours: Any, theirs: Any) -> Any:
    def reduce(error: Exception) -> tuple[Any, ...]:
        return ours, error.args  # in another process it is actorq's only

    body = {"__module__": ours.__module__, "__doc__": ours.__doc__, "__reduce__": reduce}
    return type(ours.__name__, (ours, theirs), body)


def remedy(error: StoreError) -> Remedy:
    """Return what to do about one of actorq's own store errors."""
    for name, kind in _ERRORS.items():
        if isinstance(error, kind) and (name != "reconnect" or type(error) is kind):
            return name
    return "hold"


@contextmanager
def translated() -> Iterator[None]:
    """Turn whatever the driver raises inside into actorq's own errors."""
    try:
        yield
    except (psycopg.Error, UnicodeError) as exc:
        raise fault(exc) from exc


def _is_sequence_behind(exc: BaseException) -> bool:
    """Return whether a number from a sequence is already in use: no value is at fault."""
    return isinstance(exc, psycopg.errors.UniqueViolation) and exc.diag.constraint_name in _NUMBERED


def _is_repeated(exc: BaseException) -> bool:
    """Return whether a settle's number is in use."""
    return (
        isinstance(exc, psycopg.errors.UniqueViolation)
        and exc.diag.constraint_name == "change_pkey"
    )


def _text(exc: BaseException, state: str | None) -> str:
    first = str(exc).strip().splitlines() or [type(exc).__name__]
    text = f"{first[0]} (SQLSTATE {state})" if state else first[0]
    return f"{text}: {_BEHIND}" if _is_sequence_behind(exc) else text
