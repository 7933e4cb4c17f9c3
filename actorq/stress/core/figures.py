"""What a stress test has found, as it stands in its JSON report. Times in s or ms as named."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from actorq.stress.core.plan import StressPlan

StepRole = Literal["drain", "double", "halve", "bisect", "curve", "given", "fault"]
"""What a step is run for."""

StepEnd = Literal["held", "overloaded", "generator", "unsteady", "cut short"]
"""How a step ended: the load was borne, or not, or the generators were the limit, or latency or
rate never became steady, or it was interrupted."""

TIME_UP = "the time was up"
"""Why a test may end early without having failed: it is bounded on purpose."""

INTERRUPTED = "it was interrupted"

STAGES = ("send", "enqueue", "wait", "dispatch", "run", "settle")
"""The way of a job: intended → sent → enqueue answered → claimed → handler begins → it ends →
outcome committed."""


class Window(msgspec.Struct, frozen=True):
    """What happened in one short part of a step, and the backlog at its end."""

    at_s: float
    arrived: int
    settled: int
    backlog: int


class SentFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What the generators of a step did; `lag` is how long after its instant a job was sent."""

    intended: int
    sent: int
    skipped: int
    late: int
    doubtful: int = 0  # whose answer was lost: they may be in the table or not
    refused: int = 0  # that the database did not take
    error: str = ""  # the last reason for these two
    lag_p50_ms: float = 0.0
    lag_p99_ms: float = 0.0
    lag_max_ms: float = 0.0
    cpu_share: float = 0.0  # of the time, in which the busiest generator worked
    starved_share: float = 0.0  # of the time, in which it got no processor
    database_share: float = 0.0  # of the time, in which it waited for the database to take jobs


class LatencyFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Durations of the jobs completed at their first attempt, after the warm-up."""

    n: int
    percentiles: dict[str, float | None]
    max_ms: float
    histogram: dict[int, int]


class AuditFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What a look at every row found."""

    sent: int
    found: int
    final: int
    completed: int
    failed: int
    cancelled: int
    lost: int  # sent, but there is no row
    unfinished: int  # not final when the time was up
    duplicates: int  # rows of a job that was sent once
    wrong_state: int  # final, but not as its handler decided
    wrong_results: int  # with another result than its handler returned
    ran_again: int  # whose handler ran to its end more than once for one job
    checksum: str = ""  # of all results; the expected one stands beside it
    expected_checksum: str = ""
    attempts: dict[int, int] = {}
    causes: dict[str, int] = {}


class CountedFigures(msgspec.Struct, frozen=True, kw_only=True):
    """How many jobs became final, by each way of finding that out; None: it was not followed."""

    table: int
    polling: int | None = None
    events: int | None = None

    @property
    def agree(self) -> bool:
        """Tell whether all ways that were followed found as many."""
        return all(n in (None, self.table) for n in (self.polling, self.events))


class StepFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One step: a load for a while, and what came of it."""

    name: str
    role: StepRole
    loop: Literal["open", "closed"]
    rate: float | None
    seconds: float
    begun_s: float  # after the begin of the test
    end: StepEnd
    why: str
    achieved: float  # jobs settled per second, where measured
    sent: SentFigures | None
    latency: LatencyFigures | None
    waiting: LatencyFigures | None
    running: LatencyFigures | None
    stages_ms: dict[str, float]
    windows: list[Window]
    audit: AuditFigures
    counted: CountedFigures
    queues: dict[str, LatencyFigures] = {}
    batches: dict[int, int] = {}
    busy_share: float = 0.0
    drained_s: float = 0.0
    fault_at_s: float | None = None
    worst_ms: float | None = None
    peak_backlog: int = 0

    def p(self, name: str) -> float | None:
        """Return a percentile of the latency in ms, None where it cannot be told.

        Nothing is told of a step that never was steady, or whose load was not the one intended.
        """
        if self.latency is None or self.end in ("unsteady", "generator"):
            return None
        return self.latency.percentiles.get(name)


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen in one second; None where it cannot be seen."""

    at_s: float
    step: str = ""
    arrived_per_s: float | None = None
    settled_per_s: float | None = None
    backlog: int | None = None
    oldest_s: float | None = None
    batch_mean: float | None = None
    busy_share: float | None = None
    cpu: dict[str, float] = {}  # cores in use, by role
    memory_mb: dict[str, float] = {}  # that is shared with nobody, by role
    commits_per_s: float | None = None
    statements_per_s: float | None = None
    wal_bytes_per_job: float | None = None
    dead_tuples: int | None = None
    waits: dict[str, int] = {}  # sessions at work, by what they waited for


class KneeFigures(msgspec.Struct, frozen=True, kw_only=True):
    """The highest rate that was borne, and the lowest that was not."""

    rate: float | None
    broken_at: float | None
    generator_limited: bool
    sentence: str


class FaultFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What one fault cost; `recovered_s` is None if the backlog was not usual again in time."""

    fault: str
    what: str
    at_s: float  # of its step
    recovered_s: float | None
    lost: int
    unfinished: int
    doubtful: int  # whose enqueue the fault left without an answer
    ran_again: int
    worst_ms: float | None


class QueueFigures(msgspec.Struct, frozen=True, kw_only=True):
    """The latency of one queue at one rate of the whole, over all steps at that rate."""

    rate: float
    queue: str
    served_by: str
    n: int
    p50_ms: float | None
    p90_ms: float | None
    p99_ms: float | None
    p999_ms: float | None


class SloFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One bound, what was measured, and whether it holds; unknown is not kept."""

    name: str
    bound: float
    found: float | None
    kept: bool


class ComparedFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One figure of A and of B: medians, and the ratio of B to A with its interval."""

    name: str
    a: float
    b: float
    ratio: float
    interval: tuple[float, float] | None
    n: int
    says: str


class StressReport(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a stress test has found."""

    plan: StressPlan
    manifest: dict[str, Any]
    steps: list[StepFigures]
    samples: list[Sample]
    knee: KneeFigures | None
    half_knee: dict[str, Any]
    faults: list[FaultFigures]
    slo: list[SloFigures]
    findings: list[str]
    unseen: list[str]  # what could not be sampled, with what would help
    seconds: float
    cut_short: str = ""
    compared: list[ComparedFigures] = []
    plan_b: StressPlan | None = None
