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
        "kill_supervisor": 7, "kill_group": 3, "stop_supervisor": 3, "end_supervisor": 3,
        "hang_up": 3,
        "kill_actor": 50, "stop_actor": 3, "terminate": 30, "cancel_statement": 20,
        "kill_backend": 1, "crash_server": 1, "kill_server": 1,
        "delay": 4, "swallow": 4, "slice": 3, "reset": 8, "cut_before": 20, "cut_after": 100,
        "lock_rows": 6, "lock_table": 1, "read_only": 1, "disk_full": 1, "snapshot": 1,
        "kill_follower": 4, "stop_follower": 2, "outrun_follower": 3, "forget_followers": 1,
    },
)  # fmt: skip


_NIGHT = {
    "kill_supervisor": 75, "kill_group": 35, "stop_supervisor": 25, "end_supervisor": 30,
    "hang_up": 30,
    "kill_actor": 500, "stop_actor": 30, "terminate": 500, "cancel_statement": 200,
    "kill_backend": 10, "crash_server": 10, "kill_server": 10,
    "delay": 50, "swallow": 50, "slice": 30, "reset": 80, "cut_before": 200, "cut_after": 600,
    "lock_rows": 60, "lock_table": 10, "read_only": 5, "disk_full": 2, "snapshot": 10,
    "kill_follower": 30, "stop_follower": 15, "outrun_follower": 20, "forget_followers": 5,
}  # fmt: skip

TIERS: Mapping[str, Tier] = {
    "T0": T0,
    "T1": Tier(
        n_jobs=500_000, span_s=480.0, supervisors=3, actors=2, deaths=0.5, faults=_NIGHT
    ),
    "T2": Tier(
        n_jobs=3_000_000, span_s=3000.0, supervisors=3, actors=2, deaths=0.5,
        faults={name: n * 6 for name, n in _NIGHT.items()},
    ),
}  # fmt: skip
