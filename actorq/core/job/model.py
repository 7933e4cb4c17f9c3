"""The values that pass between the parts of actorq: batches, verdicts, settlements.

They are plain msgspec structs without behaviour; no I/O, clock or randomness.
"""

from __future__ import annotations

from itertools import chain
from typing import Annotated, Literal, TypeAlias

import msgspec

Cause = Literal["error", "timeout", "signal", "exit", "oom", "lost", "args", "result"]
"""Why an attempt failed. `exit`: the process ended by itself; `lost`: its supervisor died."""

State = Literal["pending", "completed", "failed", "cancelled"]
Charge = Literal["none", "failed", "crashed"]

Cut = Literal["full", "bytes", "idle", "linger", "flush", "limited", "suspects"]
"""Why a batch is no larger: it has `max_batch` jobs; its args reach `max_batch_bytes`; nothing more
was there; `linger_ms` ended before `min_batch` jobs came; the supervisor drains or stops; larger
batches have failed; or its jobs run apart from healthy ones."""


class ErrorInfo(msgspec.Struct, frozen=True, array_like=True):
    """The text that describes a failed attempt; the actor that makes it caps its size."""

    type: str
    message: str
    traceback: str = ""
    cause: Cause = "error"
    final: bool = False  # of a type that the kind calls fatal: no attempt is left after it


class Counts(msgspec.Struct, frozen=True, array_like=True):
    """The counters of a job as its row had them when it was claimed."""

    attempt: int = 0
    n_failed: int = 0
    n_crashed: int = 0
    n_lost: int = 0
    max_attempts: int | None = None  # None: the kind's own


FRESH = Counts()


Buffer: TypeAlias = bytes | memoryview

Position: TypeAlias = Annotated[int, msgspec.Meta(ge=0)]
"""The place of a job in its batch, counted from 0."""


class ClaimedBatch(msgspec.Struct):
    """A claimed batch: n ≥ 1 jobs of one lane, in claim order, under one lease.

    `args` is the JSON text of the n values, separated by commas. It comes in pieces, between which
    another comma belongs; they are views of the claim's reply, which the supervisor never parses.
    `lens[i]` is the byte length of the i-th value. `notes` names the jobs that are not fresh.
    """

    lease: int
    lane: int
    suspect: int  # 0, or the quarantine group these jobs were claimed from
    ids: list[int]
    lens: list[int]
    args: list[Buffer]
    notes: dict[int, Counts]  # position → counters; absent: FRESH
    seq: int = 0  # bumped by every part-settle; half of the fence

    @property
    def n(self) -> int:
        """Return how many jobs the batch has."""
        return len(self.ids)


class Verdict(msgspec.Struct, frozen=True, array_like=True):
    """What an actor reports of one job that is not a plain completion; `pos` is its position."""

    pos: int
    what: Literal["result", "error", "retry", "snooze", "fail", "cancel"]
    after_s: float | None = None
    result: bytes | None = None  # JSON text, with what == "result"
    error: ErrorInfo | None = None


class Row(msgspec.Struct, frozen=True):
    """What one job's row becomes.

    Rows are built by the constructors in core.job.settle, and by store.queue.settles for a job
    whose outcome the database refuses.

    With state "pending" the job returns to `ready`: after `retry_in_s` seconds, or at its
    unchanged run_at if that is None. `suspect` is the quarantine group to which it returns.
    """

    id: int
    attempt: int  # the attempt the row must still have: part of the fence
    state: State
    charge: Charge = "none"  # which counter rises by one (attempt rises with it)
    retry_in_s: float | None = None
    suspect: int = 0
    result: bytes | None = None
    error: ErrorInfo | None = None  # a row of `failure`; final if state is "failed"


class EndedBatch(msgspec.Struct, frozen=True):
    """The figures of a batch whose jobs all have an outcome.

    It ran for `ran_s`. `waited` says how many jobs had been due for how long when they were
    claimed (see `core.counters.histogram`). The first batch of a claim has this for all of them.
    """

    lane: int
    n_jobs: int
    cut: Cut
    ran_s: float
    waited: dict[int, int] = {}


class Settlement(msgspec.Struct):
    """What becomes of all or some jobs of one leased batch, in one settle statement.

    `done` holds the plain completions without a result, by the attempt that their rows must still
    have; `rows` holds everything else.
    `closes` is true if no job of the batch remains under the lease. Otherwise `open_bits` has one
    bit per position (LSB first in each byte), set for the jobs that remain.
    `ended` has the figures of a batch that an actor has answered; they count where it closes.
    """

    lease: int
    seq: int
    done: dict[int, list[int]]
    rows: list[Row]
    closes: bool = True
    open_bits: bytes | None = None
    ended: EndedBatch | None = None

    @property
    def n(self) -> int:
        """Return how many jobs this settles."""
        return sum(map(len, self.done.values())) + len(self.rows)

    @property
    def ids(self) -> list[int]:
        """Return the jobs that this settles."""
        return [*chain.from_iterable(self.done.values()), *(row.id for row in self.rows)]
