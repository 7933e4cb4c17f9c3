"""Drain a full queue of no-op jobs, beside the floor: jobs per second, WAL and CPU per job.

The floor is what the same statements reach without a supervisor and actors; see `floor`.
"""

from __future__ import annotations

from typing import Any

from bench import _harness as h
from bench import _runs, floor


def main() -> None:
    """Run the benchmark."""
    options = h.options(
        __doc__ or "",
        repeat=5,
        jobs=(300_000, 2_000, "jobs per run"),
        batch=(1000, 200, "jobs per batch"),
        actors=(1, 1, "actors"),
    )
    with h.server() as host:
        h.say(f"on {host.text}")
        runs: list[dict[str, float]] = []

        def once(name: str) -> dict[str, float]:
            with h.database(host) as dsn:
                if name == "floor":
                    return floor.once(host, dsn, options.jobs, options.batch)
                runs.append(_runs.drain(host, dsn, options.jobs, options.batch, options.actors))
                return runs[-1]

        pairs = _runs.against(("drain", "floor"), once, options.repeat)
        runs = runs[-options.repeat :]
        result: dict[str, Any] = {name: h.median([run[name] for run in runs]) for name in runs[0]}
        result |= {
            "jobs_per_s_spread": pairs["drain_spread"],
            "floor_jobs_per_s": pairs["floor_jobs_per_s"],
            "of_floor": pairs["ratio"],
            "of_floor_spread": pairs["ratio_spread"],
            "server_cpu_to_floor": pairs.get("server_cpu_ratio"),
        }
        h.report(options, host, {"jobs": options.jobs, "batch": options.batch, **result})


if __name__ == "__main__":
    main()
