"""Ending from outside what a thread does on its connections.

A thread cannot be stopped, but a statement can. Connections that a thread opens register with the
interrupt of its context, if it has one. A request to that interrupt cancels their statements, and
none of them begins another transaction.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from typing import Any, TypeVar

import psycopg
from psycopg.pq import TransactionStatus

T = TypeVar("T")

AGAIN_S = 0.1
"""A request between two statements has no effect, so it is repeated at this interval."""

CANCEL_TIMEOUT_S = 5.0
ENDED = "the call was cancelled: nothing more is begun on this connection"


class Interrupt:
    """A means to end a call in another thread: it ends at its present statement."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._conns: list[psycopg.Connection[Any]] = []
        self._over = threading.Event()
        self.asked = False

    def join(self, conn: psycopg.Connection[object]) -> None:
        """Include a connection from now on."""
        with self._lock:
            self._conns.append(conn)

    def ask(self) -> None:
        """Request that the call end soon, without waiting for that."""
        self.asked = True
        threading.Thread(target=self._pursue, name="actorq interrupt", daemon=True).start()

    def around(self, call: Callable[[], T]) -> T:
        """Make the call that this interrupt can end."""
        try:
            return call()
        finally:
            self._over.set()

    def _pursue(self) -> None:
        while not self._over.is_set():
            with self._lock:
                conns = list(self._conns)
            for conn in conns:
                _cancel(conn)
            self._over.wait(AGAIN_S)


INTERRUPT: ContextVar[Interrupt | None] = ContextVar("actorq_interrupt", default=None)
"""The interrupt of this context; it is set where a call is handed to a thread."""


def _cancel(conn: psycopg.Connection[object]) -> None:
    if conn.closed or conn.info.transaction_status != TransactionStatus.ACTIVE:
        return
    with suppress(psycopg.Error):  # if the server is unreachable or gone, the call ends too
        conn.cancel_safe(timeout=CANCEL_TIMEOUT_S)
