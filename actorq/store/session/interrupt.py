"""Ending from outside what a thread does on its connections.

A thread cannot be stopped, but a statement can. So the connections that a thread opens are known
to the interrupt of its context, if there is one: whoever asks has their statements cancelled, and
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
"""A request can arrive between two statements and come to nothing: then it is repeated."""

CANCEL_TIMEOUT_S = 5.0
ENDED = "the call was cancelled: nothing more is begun on this connection"


class Interrupt:
    """A way to end a call that another thread makes: it ends at the statement it is in."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._conns: list[psycopg.Connection[Any]] = []
        self._over = threading.Event()
        self.asked = False

    def join(self, conn: psycopg.Connection[object]) -> None:
        """Take care of a connection from now on."""
        with self._lock:
            self._conns.append(conn)

    def ask(self) -> None:
        """Have the call end soon, without waiting for that."""
        self.asked = True
        threading.Thread(target=self._pursue, name="actorq interrupt", daemon=True).start()

    def around(self, call: Callable[[], T]) -> T:
        """Make the call, of which this is the interrupt."""
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
"""The interrupt of what this context does, to be set where a call is handed to a thread."""


def _cancel(conn: psycopg.Connection[object]) -> None:
    if conn.closed or conn.info.transaction_status != TransactionStatus.ACTIVE:
        return
    with suppress(psycopg.Error):  # the server is away, or gone meanwhile: then so is the call
        conn.cancel_safe(timeout=CANCEL_TIMEOUT_S)
