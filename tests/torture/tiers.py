"""How much of everything a run has: T0 for every change, T1 for the night, T2 for a release."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

TTL_S = 2.0


@dataclass(frozen=True)
class Tier:
    """Hold the sizes of a run; `faults` says how often each fault happens."""

    n_jobs: int
    span_s: float  # the faults and the enqueueing spread over this long
    supervisors: int
    actors: int  # per kind and supervisor
    deaths: float  # how much of the usual share of jobs kill their process
    faults: Mapping[str, int]


T0 = Tier(
    n_jobs=20_000, span_s=36.0, supervisors=3, actors=1, deaths=0.5,
    faults={
        "kill_supervisor": 6, "kill_group": 3, "stop_supervisor": 3, "end_supervisor": 3,
        "kill_actor": 40, "stop_actor": 3, "terminate": 30, "cancel_statement": 20,
        "kill_backend": 1, "crash_server": 1, "kill_server": 1,
        "delay": 4, "swallow": 4, "slice": 3, "reset": 8, "cut_before": 20, "cut_after": 60,
        "lock_rows": 6, "lock_table": 1, "read_only": 1, "snapshot": 1,
    },
)  # fmt: skip


def _times(tier: Tier, jobs: int, span_s: float, factor: float, actors: int) -> Tier:
    faults = {name: round(n * factor) for name, n in tier.faults.items()}
    return Tier(jobs, span_s, tier.supervisors, actors, tier.deaths, faults)


TIERS: Mapping[str, Tier] = {
    "T0": T0,
    "T1": _times(T0, 500_000, 480.0, 10.0, 2),
    "T2": _times(T0, 3_000_000, 3000.0, 60.0, 2),
}
