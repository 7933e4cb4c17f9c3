"""The benchmarks of a report: what each is called, and the sizes that tell it from others."""

from __future__ import annotations

RUNS: dict[str, list[str]] = {
    **{
        name: [name]
        for name in (
            "drain",
            "floor",
            "enqueue",
            "latency",
            "batch_vs_single",
            "batch_size",
            "actors_busy",
            "burst",
            "idle",
            "held_snapshot",
            "finished_rows",
            "scheduled_rows",
            "payload",
            "kinds",
            "steps",
            "supervisors",
            "soak",
            "recovery",
            "start",
            "waiting",
            "events",
            "admin",
            "status",
            "outage",
            "poison",
            "peers",
        )
    },
    "drain_100": ["drain", "--batch", "100"],
    **{
        f"latency_{rate}": ["latency", "--rate", str(rate), "--backlog-first", "5000"]
        for rate in (200, 800, 2000)
    },
}


def chosen(names: list[str], without: list[str], tiny: bool) -> list[str]:
    """Return what is to be run; what differs by sizes alone is alike where all of them are tiny."""
    left = [name for name in RUNS if name in (names or RUNS) and name not in without]
    first: dict[str, str] = {}
    for name in left:
        first.setdefault(RUNS[name][0], name)
    return list(first.values()) if tiny else left
