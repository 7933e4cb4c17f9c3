"""What a supervisor says of itself to somebody who looks: its kinds, its actors, what it did."""

from __future__ import annotations

from typing import Literal

import msgspec

ActorDoing = Literal["loading", "idle", "running", "resting", "stopping"]
KindDoing = Literal["starting", "available", "doubted", "resting", "unavailable"]


class ActorReport(msgspec.Struct, frozen=True):
    """One actor process, what it does and since how long; `lease` and `n_jobs` of what it runs.

    `cpu_s` is the CPU time that it has used so far, `memory_mb` what it has in memory; None where
    the system does not tell.
    """

    kind: str
    slot: int
    actor: int
    pid: int
    doing: ActorDoing
    since_s: float
    lease: int = 0
    n_jobs: int = 0
    cpu_s: float | None = None
    memory_mb: float | None = None


class GroupReport(msgspec.Struct, frozen=True):
    """A group of `n` suspects: `bad` if one of them is known to be a culprit, or the kind."""

    n: int
    bad: bool
    crashed: bool


class KindReport(msgspec.Struct, frozen=True):
    """One kind: whether it is served, and what it has in quarantine.

    `resting_s` is how long it rests yet, `limit` the present size of a batch at most. `n_waiting`
    batches wait for an actor, `n_verdicts` jobs that failed alone wait for their verdict, `fault`
    is the failure for which the kind rests.
    """

    kind: str
    doing: KindDoing
    resting_s: float
    fault: str
    max_batch: int
    limit: int
    n_waiting: int
    n_verdicts: int
    groups: list[GroupReport]


class LaneReport(msgspec.Struct, frozen=True):
    """How many jobs and batches of a queue and kind this supervisor holds."""

    queue: str
    kind: str
    n_batches: int
    n_running: int


class Report(msgspec.Struct, frozen=True):
    """A supervisor at one instant."""

    phase: str
    n_died: int
    kinds: list[KindReport]
    lanes: list[LaneReport]
    actors: list[ActorReport]


class NodeReport(msgspec.Struct, frozen=True):
    """A supervisor at one instant, with what its own process uses: CPU time so far, and memory."""

    report: Report
    cpu_s: float | None = None
    memory_mb: float | None = None
