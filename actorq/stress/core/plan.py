"""The plan of a stress test: kinds, handlers, supervisors and load, checked when it is made.

Every field has a range; what is outside is refused by a ConfigError that names the key.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from actorq.core.job.policy import check_integer, check_name, check_number
from actorq.errors import ConfigError

Arrivals = Literal["poisson", "constant"]
"""How the instants of arrivals are spread: at random as from many senders, or evenly."""

WorkForm = Literal["noop", "spin", "sleep", "numpy"]
"""What a handler does: nothing, compute, wait, or multiply matrices."""

FaultName = Literal[
    "kill_actor", "kill_supervisor", "kill_backend", "restart_server", "held_snapshot",
    "idle_connections",
]  # fmt: skip

MAX_RATE = 1_000_000.0
MAX_JOBS = 5_000_000

SLO_AT_MOST = (
    "p50_ms", "p90_ms", "p99_ms", "p999_ms", "max_ms", "lost", "duplicates", "failed", "unfinished",
)  # fmt: skip
SLO_AT_LEAST = ("knee_jobs_per_s", "drain_jobs_per_s")


class WorkCost(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a call of a handler takes: `call_ms + job_ms · n`, spread lognormally by `sigma`.

    The mean stays the same whatever `sigma` is.
    """

    form: WorkForm = "noop"
    call_ms: float = 0.0
    job_ms: float = 0.0
    sigma: float = 0.0

    def __post_init__(self) -> None:
        check_number("work.call_ms", self.call_ms, 0.0, 600_000.0)
        check_number("work.job_ms", self.job_ms, 0.0, 600_000.0)
        check_number("work.sigma", self.sigma, 0.0, 3.0)
        if self.form == "noop" and (self.call_ms or self.job_ms):
            raise ConfigError(
                "work.call_ms and work.job_ms need work.form: spin, sleep or numpy; noop takes none"
            )


class StressKind(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A kind of job: its share of the load, what its handler does, and how often that goes wrong.

    `fail`, `crash` and `hang` are shares of jobs that fail at every attempt, that kill their actor,
    and that outlast `batch_timeout_s`. `keys` jobs have one of so many keys, drawn by Zipf's law.
    A share `delayed` of the jobs is due `delay_s` after it is sent.
    """

    name: str = "stress"
    queue: str = "stress"
    share: float = 1.0
    work: WorkCost = WorkCost()
    max_batch: int = 500
    actors: int = 1
    max_attempts: int = 2
    batch_timeout_s: float = 30.0
    fail: float = 0.0
    crash: float = 0.0
    hang: float = 0.0
    payload_bytes: int = 100
    result_bytes: int = 0
    keys: int = 0
    zipf: float = 1.1
    delayed: float = 0.0
    delay_s: float = 1.0

    def __post_init__(self) -> None:
        check_name("kind", self.name)
        check_name("queue", self.queue)
        for field, (low, high) in _KIND_NUMBERS.items():
            check_number(f"kinds.{field}", getattr(self, field), low, high)
        for field, (least, most) in _KIND_INTEGERS.items():
            check_integer(f"kinds.{field}", getattr(self, field), least, most)
        if self.fail + self.crash + self.hang > 1:
            raise ConfigError("kinds.fail, crash and hang are shares of all jobs: at most 1 in all")
        if 0 < self.result_bytes < RESULT_FLOOR:
            raise ConfigError(
                f"kinds.result_bytes={self.result_bytes} must be 0 (no results are stored) or from "
                f"{RESULT_FLOOR}: a result holds the number of its job"
            )


RESULT_FLOOR = 10
"""Two quotes and eight hexadecimal digits, which number all jobs that a step may have."""

_KIND_NUMBERS = {
    "share": (0.001, 1000.0), "fail": (0.0, 1.0), "crash": (0.0, 1.0), "hang": (0.0, 1.0),
    "zipf": (0.1, 10.0), "delayed": (0.0, 1.0), "delay_s": (0.0, 600.0),
    "batch_timeout_s": (0.1, 3600.0),
}  # fmt: skip
_KIND_INTEGERS = {
    "max_batch": (1, 10_000), "actors": (1, 64), "max_attempts": (1, 100),
    "payload_bytes": (0, 1_000_000), "result_bytes": (0, 1_000_000), "keys": (0, 100_000),
}  # fmt: skip


class Serving(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many supervisors serve which queues (none named: all), and how they learn of jobs."""

    queues: tuple[str, ...] = ()
    poll_only: bool = False
    poll_ms: float = 100.0
    n: int = 1

    def __post_init__(self) -> None:
        check_integer("supervisors.n", self.n, 1, 64)
        check_number("supervisors.poll_ms", self.poll_ms, 1.0, 60_000.0)


class LoadPlan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The load of the open loop: rates in jobs per second, or a search for the knee.

    Without `rates`, the rate is doubled from `first_rate` until the backlog grows or the SLO
    breaks, the knee is found by `bisections`, and each of `factors` times the knee is run;
    half of the knee is run `repeats` times.
    """

    arrivals: Arrivals = "poisson"
    rates: tuple[float, ...] = ()
    first_rate: float = 2000.0
    max_rate: float = 256_000.0
    bisections: int = 3
    factors: tuple[float, ...] = (0.2, 0.8, 0.95, 1.05)
    repeats: int = 3
    step_s: float = 3.5
    warm_up_s: float = 0.75
    late_ms: float = 20.0
    skip_after_s: float = 1.0
    drain_s: float = 10.0
    generators: int = 2

    def __post_init__(self) -> None:
        for rate in (*self.rates, self.first_rate, self.max_rate):
            check_number("load.rate", rate, 0.1, MAX_RATE)
        for factor in self.factors:
            check_number("load.factors", factor, 0.01, 2.0)
        for field, (low, high) in _LOAD_NUMBERS.items():
            check_number(f"load.{field}", getattr(self, field), low, high)
        for field, (least, most) in _LOAD_INTEGERS.items():
            check_integer(f"load.{field}", getattr(self, field), least, most)
        if self.warm_up_s >= self.step_s:
            raise ConfigError(
                f"load.warm_up_s={self.warm_up_s:g} must be less than "
                f"load.step_s={self.step_s:g}: what comes after the warm-up is measured"
            )
        if self.first_rate > self.max_rate:
            raise ConfigError(
                f"load.first_rate={self.first_rate:g} is above load.max_rate={self.max_rate:g}"
            )


_LOAD_NUMBERS = {
    "step_s": (0.5, 3600.0), "warm_up_s": (0.0, 600.0), "late_ms": (1.0, 10_000.0),
    "skip_after_s": (0.05, 60.0), "drain_s": (1.0, 3600.0),
}  # fmt: skip
_LOAD_INTEGERS = {"bisections": (0, 10), "repeats": (1, 50), "generators": (1, 16)}


class StressPlan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole stress test.

    `drain_jobs` are enqueued before a supervisor looks, and then drained: the closed loop; 0 leaves
    it out, as `load = false` leaves out the open loop. Each of `faults` has a step of `fault_s` at
    `fault_rate`. `max_s` bounds the whole, `max_jobs` each step.
    """

    name: str = "default"
    kinds: tuple[StressKind, ...] = (StressKind(),)
    supervisors: tuple[Serving, ...] = (Serving(),)
    load: LoadPlan | Literal[False] = LoadPlan()
    drain_jobs: int = 0
    faults: tuple[FaultName, ...] = ()
    fault_rate: float = 500.0
    fault_s: float = 8.0
    slo: Mapping[str, float] = {}
    seed: int = 1
    max_s: float = 105.0
    max_jobs: int = 1_000_000

    def __post_init__(self) -> None:
        check_integer("drain_jobs", self.drain_jobs, 0, MAX_JOBS)
        check_integer("max_jobs", self.max_jobs, 1, 1_000_000_000)
        check_integer("seed", self.seed, 0, 2**63 - 1)
        check_number("fault_rate", self.fault_rate, 0.1, MAX_RATE)
        check_number("fault_s", self.fault_s, 2.0, 3600.0)
        check_number("max_s", self.max_s, 1.0, 7 * 86_400.0)
        self._check_names()
        self._check_rates()
        check_slo(self.slo)

    @property
    def bounded_load(self) -> LoadPlan | Literal[False]:
        """Return the load with no rate that would make more than `max_jobs` in a step."""
        if self.load is False:
            return False
        most = min(self.load.max_rate, self.max_jobs / self.load.step_s)
        return msgspec.structs.replace(self.load, max_rate=max(most, self.load.first_rate))

    def _check_names(self) -> None:
        names = [kind.name for kind in self.kinds]
        if not names or len(set(names)) < len(names):
            raise ConfigError("kinds: name at least one, and each once")
        if not self.supervisors:
            raise ConfigError("supervisors: name at least one")
        served = {queue for serving in self.supervisors for queue in serving.queues}
        serves_all = any(not serving.queues for serving in self.supervisors)
        queues = {kind.queue for kind in self.kinds}
        if not serves_all and queues - served:
            raise ConfigError(f"queue {min(queues - served)!r} is served by no supervisor")
        if served - queues:
            raise ConfigError(
                f"supervisors.queues names {min(served - queues)!r}, which no kind has: "
                f"the queues are {', '.join(sorted(queues))}"
            )

    def _check_rates(self) -> None:
        if self.drain_jobs > self.max_jobs:
            raise ConfigError(
                f"drain_jobs={self.drain_jobs:,} is more than max_jobs={self.max_jobs:,}"
            )
        if self.load is False:
            return
        most = self.max_jobs / self.load.step_s
        for rate in (*self.load.rates, self.load.first_rate):
            if rate > most:
                raise ConfigError(
                    f"a rate of {rate:,g} jobs/s for load.step_s={self.load.step_s:g} makes more "
                    f"than max_jobs={self.max_jobs:,} jobs: at most {most:,.0f} jobs/s, or a "
                    "larger max_jobs"
                )


def check_slo(slo: Mapping[str, float]) -> None:
    """Raise ConfigError for a bound of something that is not measured, or that is no number."""
    for name, bound in slo.items():
        if name not in (*SLO_AT_MOST, *SLO_AT_LEAST):
            raise ConfigError(
                f"slo: {name!r} is not measured; there are {', '.join(SLO_AT_MOST)} (at most) and "
                f"{', '.join(SLO_AT_LEAST)} (at least)"
            )
        check_number(f"slo.{name}", bound, 0.0, 1e12)
