"""What an error of the database means for whoever sent the statement."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import errors

from actorq.errors import RowRefused, StoreError, StoreUnavailable
from actorq.store.session.faults import (
    Contended,
    Forbidden,
    LockTimeout,
    OnHold,
    TooSlow,
    fault,
    remedy,
    remedy_of,
)  # fmt: skip

MEANINGS: list[tuple[str, type[StoreError], str]] = [
    ("40001", Contended, "retry"), ("40P01", Contended, "retry"), ("55P03", LockTimeout, "retry"),
    ("08006", StoreUnavailable, "reconnect"), ("57P01", StoreUnavailable, "reconnect"),
    ("25P03", StoreUnavailable, "reconnect"), ("25P04", StoreUnavailable, "reconnect"),
    ("57P03", StoreUnavailable, "reconnect"), ("57014", TooSlow, "halve"),
    ("53100", OnHold, "hold"), ("53300", OnHold, "hold"), ("25006", OnHold, "hold"),
    ("58030", OnHold, "hold"), ("22P05", RowRefused, "bisect"), ("23514", RowRefused, "bisect"),
    ("54001", RowRefused, "bisect"), ("42P01", Forbidden, "fatal"), ("42501", Forbidden, "fatal"),
    ("28P01", Forbidden, "fatal"), ("0A000", Forbidden, "fatal"), ("XX000", OnHold, "hold"),
    ("P0001", RowRefused, "bisect"),
]  # fmt: skip


@pytest.mark.parametrize(("code", "kind", "what"), MEANINGS)
def test_every_code_has_one_remedy(code: str, kind: type[StoreError], what: str) -> None:
    made = type("Made", (psycopg.DatabaseError,), {"sqlstate": code})("it went\nwrong")
    assert remedy_of(made) == what
    error = fault(made)
    assert type(error) is kind
    assert remedy(error) == what
    assert str(error) == f"it went (SQLSTATE {code})"


def test_an_error_without_a_code_is_a_lost_connection() -> None:
    assert remedy_of(psycopg.OperationalError("server closed the connection")) == "reconnect"
    assert remedy_of(psycopg.InterfaceError("the connection is closed")) == "reconnect"


def test_what_the_driver_itself_cannot_send_is_a_refused_row() -> None:
    assert remedy_of(psycopg.DataError("cannot contain NUL")) == "bisect"
    assert remedy_of(UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates")) == "bisect"


def test_the_unknown_is_on_hold_and_nothing_is_dropped() -> None:
    assert remedy_of(psycopg.Error("what?")) == "hold"
    assert remedy(StoreError("what?")) == "hold"
    assert issubclass(OnHold, StoreUnavailable)
    assert errors.LockNotAvailable.sqlstate == "55P03"
