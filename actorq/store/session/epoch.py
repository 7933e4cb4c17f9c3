"""Moving together when the server to which some connections write has become read-only.

A connection to such a server stays open and answers reads, so only those connections that happen
to write would move to its successor. What one of them learns is therefore shared. This costs
nothing, because the server itself reports `default_transaction_read_only` and `in_hot_standby` with
each answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from psycopg.pq.abc import PGconn

MOVED = "the server has become read-only, or another one accepts writes now: reconnecting"


class Epoch:
    """The period in which some connections rely on the same server; safe to use in threads.

    It ends when one of them finds its server read-only, or finds one that accepts writes after
    others found one that did not. Older connections reconnect before they send anything else.
    """

    def __init__(self) -> None:
        self.n = 0
        self._is_doubted = False

    def begun(self, read_only: bool) -> int:
        """Return the epoch of a connection that was just opened."""
        if read_only:
            self._is_doubted = True
        elif self._is_doubted:
            self._is_doubted = False
            self.n += 1
        return self.n

    def end(self, n: int) -> None:
        """End an epoch, unless it has ended already."""
        if n == self.n:
            self.n += 1


def is_read_only(conn: PGconn) -> bool:
    """Return whether the server has reported that it takes no writes; behind a pooler it may not.

    A role, database or DSN that presets read-only counts as well: that server is not for writes.
    """
    names = b"default_transaction_read_only", b"in_hot_standby"
    return any(conn.parameter_status(name) == b"on" for name in names)
