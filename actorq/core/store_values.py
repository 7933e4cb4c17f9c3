"""What the supervisor asks of the store, and what it is told: plain data, no behaviour.

A node is named by its uuid in canonical text form. A lease is named by its node and a number that
the node itself assigns, so that the name is known before the claim is sent.
"""

from __future__ import annotations

import msgspec

from actorq.core.job.model import ClaimedBatch

ReadyPosition = tuple[int, int]
"""A place in `ready`: (run_at in whole microseconds since the Unix epoch, job id)."""


class NodeInfo(msgspec.Struct, frozen=True):
    """What a supervisor tells of itself when it registers; unknown facts stay None.

    The guardian is the process that ends the actors if the supervisor dies; it lives as long as
    they do.
    """

    id: str
    host: str
    pid: int
    ttl_s: float = 30.0
    boot_id: str | None = None
    pid_ns: str | None = None
    pid_start: str | None = None
    guardian_pid: int | None = None
    guardian_start: str | None = None


class NodeSeen(msgspec.Struct, frozen=True):
    """A registered node as others see it; `beat_at` is opaque and only compared for equality."""

    id: str
    host: str
    pid: int
    ttl_s: float
    boot_id: str | None
    pid_ns: str | None
    pid_start: str | None
    beat_at: int
    guardian_pid: int | None = None
    guardian_start: str | None = None


class ClaimReply(msgspec.Struct):
    """What a claim took.

    `n_taken` jobs left `ready`; `batches` hold those that still wait for their outcome, without
    batches of which none does. `last` is the position of the last row taken per priority.
    `n_waiting` and `oldest_s` are set only if `min_n` held the claim back. `n_rows` is the number
    of rows of `ready` that held the jobs: one row may hold several hundred. `waited` says how many
    jobs had been due for how long (see `core.counters.histogram`).
    """

    batches: list[ClaimedBatch]
    n_taken: int
    last: dict[int, ReadyPosition]
    n_waiting: int = 0
    oldest_s: float | None = None
    n_rows: int = 0
    waited: dict[int, int] = {}


class DueAsk(msgspec.Struct, frozen=True):
    """The question whether a lane has due jobs beyond its frontier."""

    lane: int
    frontier: dict[int, ReadyPosition] = {}


class Due(msgspec.Struct, frozen=True):
    """Whether a lane has due jobs, in how many seconds the next is due, and its suspects."""

    lane: int
    due: bool
    next_in_s: float | None
    suspects: list[int]


class Left(msgspec.Struct, frozen=True):
    """How many jobs of a lane are not final: due, due later, under leases.

    Some of the leases may be `orphaned`: their supervisor is gone, and their jobs will be given
    back. The first of those due later is due in `next_in_s` seconds. If a count is `capped`,
    there may be more: not all rows of `ready` were looked at.
    """

    lane: int
    n_due: int = 0
    n_later: int = 0
    n_held: int = 0
    orphaned: bool = False
    next_in_s: float | None = None
    capped: bool = False


class SettleReply(msgspec.Struct):
    """What a settle wrote.

    `leases` are the leases that matched; everything else in the settlements was void. `missing`
    are jobs of matching leases whose rows did not match. `kept` are jobs that are still open under
    their lease, because somebody else holds a lock on them or because, for this `reason`, they
    may not even fail; the lease's sequence number is now `seqs[lease]`. `refused` are jobs that
    failed because their values cannot be stored. `is_repeated` says that the same settle, sent
    before, has committed meanwhile: this one wrote nothing. `hint` says that somebody wants to be
    notified of it.
    """

    leases: set[int]
    missing: list[int] = []
    kept: list[int] = []
    seqs: dict[int, int] = {}
    refused: list[int] = []
    reason: str = ""
    is_repeated: bool = False
    hint: bool = False


class Reaped(msgspec.Struct, frozen=True):
    """What a reap returned: leases removed, jobs back in `ready`, jobs failed and cancelled.

    `lanes` are the lanes to which jobs went back.
    """

    leases: int
    returned: int
    failed: int
    cancelled: int
    lanes: list[int] = []
