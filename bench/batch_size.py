"""Drain no-op jobs in batches of different sizes."""

from __future__ import annotations

from bench import _harness as h
from bench import _runs


def main() -> None:
    """Run the benchmark."""
    options = h.options(
        __doc__ or "",
        jobs=(200_000, 1_000, "jobs per run at most"),
        sizes=((1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000), (1, 100), "batch sizes"),
        most=(5_000, 100, "batches per run at most, so that small ones take no longer"),
    )
    rates: dict[int, list[float]] = {size: [] for size in options.sizes}
    with h.server() as host:
        h.say(f"on {host.text}")
        for _ in range(options.repeat):
            for size in options.sizes:
                jobs = min(options.jobs, size * options.most)
                with h.database(host) as dsn:
                    rates[size].append(_runs.drain(host, dsn, jobs, size)["jobs_per_s"])
                h.say(f"{size:>8}  {rates[size][-1]:,.0f} jobs/s")
        result = {
            "jobs_per_s": {str(size): h.median(values, 0) for size, values in rates.items()},
            "jobs_per_s_spread": {str(size): h.spread(values) for size, values in rates.items()},
        }
        h.report(options, host, result)


if __name__ == "__main__":
    main()
