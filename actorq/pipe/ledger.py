"""What an actor may say: only about batches it was sent, and once about each job. No I/O."""

from __future__ import annotations

import threading

from actorq.core.plan import inputs as i
from actorq.errors import ProtocolError
from actorq.pipe import wire

BATCH = i.Outcomes | i.HandlerFailed | i.HandedBack | i.Returned


class Ledger:
    """The batches that one actor was sent and has not answered, and what it said about them."""

    def __init__(self, actor: int) -> None:
        self._actor = actor
        self._lock = threading.Lock()
        self._sizes: dict[int, int] = {}  # batches not yet answered: lease → number of jobs
        self._told: dict[int, set[int]] = {}  # … and the positions that have an outcome
        self._booted = False
        self._gone = False

    @property
    def n_open(self) -> int:
        """Return how many batches are not yet answered."""
        return len(self._sizes)

    def is_open(self, lease: int) -> bool:
        """Return whether a batch was sent and is not yet answered."""
        return lease in self._sizes

    def sent(self, lease: int, n: int) -> None:
        """Record a batch before it is sent."""
        with self._lock:
            self._sizes[lease], self._told[lease] = n, set()

    def check(self, message: wire.Message) -> None:
        """Record what an actor says; raise ProtocolError if it must not say this."""
        if self._gone:
            raise ProtocolError(f"{_name(message)} came after the actor had said its last")
        if isinstance(message, i.Answer) and message.actor != self._actor:
            raise ProtocolError(f"actor {self._actor} spoke for actor {message.actor}")
        if isinstance(message, i.Ready | i.BootFailed):
            self._check_boot(message)
        elif isinstance(message, wire.Bye):
            self._gone = True
        elif isinstance(message, BATCH):
            self._check_batch(message)

    def _check_boot(self, message: i.Ready | i.BootFailed) -> None:
        if self._booted:
            raise ProtocolError(f"{_name(message)} came twice")
        self._booted = True
        self._gone = isinstance(message, i.BootFailed)

    def _check_batch(self, message: BATCH) -> None:
        lease = message.lease
        with self._lock:
            n = self._sizes.get(lease)
            if n is None:
                raise ProtocolError(f"{_name(message)} of batch {lease}, which is not open")
            told = self._told[lease]
            if isinstance(message, i.Outcomes):
                _note(told, message, n)
            elif isinstance(message, i.HandlerFailed | i.HandedBack):
                _check_range(message.begun, n)
            elif told:
                raise ProtocolError(f"batch {lease} was returned with outcomes in it")
            if not isinstance(message, i.Outcomes) or message.last:
                del self._sizes[lease], self._told[lease]


def _note(told: set[int], message: i.Outcomes, n: int) -> None:
    positions = message.done + [verdict.pos for verdict in message.verdicts]
    if not positions:
        return
    _check_range(positions, n)
    before = len(told)
    told.update(positions)
    if len(told) != before + len(positions):
        raise ProtocolError(f"a job of batch {message.lease} has two outcomes")


def _check_range(positions: list[int], n: int) -> None:
    if positions and not 0 <= min(positions) <= max(positions) < n:
        raise ProtocolError(f"an outcome for a position outside of its batch of {n}")


def _name(message: wire.Message) -> str:
    return type(message).__name__
