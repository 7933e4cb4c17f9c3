"""Drain no-op jobs with args of different sizes."""

from __future__ import annotations

import base64
import random
from collections.abc import Iterator

from bench import _harness as h
from bench import _runs
from bench._handlers import app, noop

MAX_BYTES = 150_000_000
"""Of args in one run: large ones need fewer jobs to be measured."""


def args(n: int, size: int) -> Iterator[dict[str, str]]:
    """Yield args of about `size` bytes that do not compress much."""
    source = base64.b64encode(random.Random(1).randbytes(size + 10_000)).decode()
    for k in range(n):
        start = k * 61 % 10_000
        yield {"text": source[start : start + size - len('{"text":""}')]}


def once(host: h.Server, jobs: int, size: int, batch: int) -> float:
    """Fill and drain a database; return the jobs per second."""
    n = max(batch, min(jobs, MAX_BYTES // size))
    with h.database(host) as dsn:
        h.checkpoint(dsn)
        h.use(dsn, app)
        noop.enqueue_many(args(n, size))
        h.analyze(dsn)
        run = _runs.supervise(dsn, "bench.noop", n, batch=batch)
    return float(n / run["wall_s"])


def main() -> None:
    """Run the benchmark."""
    options = h.options(
        __doc__ or "",
        repeat=5,
        jobs=(150_000, 500, "jobs per run at most"),
        batch=(1000, 100, "jobs per batch at most"),
        sizes=((100, 1_000, 10_000, 100_000), (100, 1_000, 10_000), "bytes of args per job"),
    )
    rates: dict[int, list[float]] = {size: [] for size in options.sizes}
    with h.server() as host:
        h.say(f"on {host.text}")
        for _ in range(options.repeat):
            for size in options.sizes:
                rates[size].append(once(host, options.jobs, size, options.batch))
                h.say(f"{size:>8}  {rates[size][-1]:,.0f} jobs/s")
        first = rates[options.sizes[0]]
        result: dict[str, object] = {}
        for size, values in rates.items():
            ratios = [a / b for a, b in zip(values, first, strict=True)]
            result[f"ratio_{size // 1000}kb" if size >= 1000 else f"ratio_{size}b"] = h.median(
                ratios, 3
            )
        result["jobs_per_s"] = {str(size): h.median(values, 0) for size, values in rates.items()}
        result["mb_per_s"] = {
            str(size): h.median([v * size / 1e6 for v in values], 1)
            for size, values in rates.items()
        }
        h.report(options, host, result)


if __name__ == "__main__":
    main()
