"""What an actor may say: only about batches it was sent, and once about each job. No I/O."""

from __future__ import annotations

import threading

from actorq.errors import ProtocolError
from actorq.pipe import wire

BATCH = wire.Outcomes | wire.BatchFailed | wire.HandedBack | wire.Returned


class Ledger:
    """Check every message of one actor against what it was sent."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sizes: dict[int, int] = {}  # batches not yet answered: no → number of jobs
        self._told: dict[int, set[int]] = {}  # … and the positions that have an outcome
        self._booted = False
        self._gone = False

    @property
    def n_open(self) -> int:
        """Return how many batches are not yet answered."""
        return len(self._sizes)

    def sent(self, no: int, n: int) -> None:
        """Note a batch before it is sent."""
        with self._lock:
            self._sizes[no], self._told[no] = n, set()

    def check(self, message: wire.Message) -> None:
        """Raise ProtocolError if the actor has no right to say this; else note it."""
        if self._gone:
            raise ProtocolError(f"{_name(message)} came after the actor had said its last")
        if isinstance(message, wire.Ready | wire.BootFailed):
            self._check_boot(message)
        elif isinstance(message, wire.Bye):
            self._gone = True
        elif isinstance(message, BATCH):
            self._check_batch(message)

    def _check_boot(self, message: wire.Ready | wire.BootFailed) -> None:
        if self._booted:
            raise ProtocolError(f"{_name(message)} came twice")
        self._booted = True
        self._gone = isinstance(message, wire.BootFailed)

    def _check_batch(self, message: BATCH) -> None:
        with self._lock:
            n = self._sizes.get(message.no)
            if n is None:
                raise ProtocolError(f"{_name(message)} of batch {message.no}, which is not open")
            told = self._told[message.no]
            if isinstance(message, wire.Outcomes):
                _note(told, message, n)
            elif isinstance(message, wire.BatchFailed | wire.HandedBack):
                _check_range(message.begun, n)
            elif told:
                raise ProtocolError(f"batch {message.no} was returned with outcomes in it")
            if not isinstance(message, wire.Outcomes) or message.last:
                del self._sizes[message.no], self._told[message.no]


def _note(told: set[int], message: wire.Outcomes, n: int) -> None:
    positions = message.done + [verdict.pos for verdict in message.verdicts]
    if not positions:
        return
    _check_range(positions, n)
    before = len(told)
    told.update(positions)
    if len(told) != before + len(positions):
        raise ProtocolError(f"a job of batch {message.no} has two outcomes")


def _check_range(positions: list[int], n: int) -> None:
    if positions and not 0 <= min(positions) <= max(positions) < n:
        raise ProtocolError(f"an outcome for a position outside of its batch of {n}")


def _name(message: wire.Message) -> str:
    return type(message).__name__
