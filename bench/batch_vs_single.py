"""Handlers that take batches, against single-job mode and against the fair baseline.

Three ways to do the same work: batches through a handler that works on all at once; single-job
mode, where every job is claimed, run and settled by itself; and a handler that works on one job
at a time, but with batched claim and settle. Four handlers: one that does nothing, a model with
inputs as JSON lists and as arrays, and one that waits 1 ms per call like a service.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from bench import _harness as h
from bench import _runs
from bench._handlers import app
from bench._model import inputs

HANDLERS = {
    # name of its figures: kinds that take batches, and one job at a time
    "noop": ("bench.noop", "bench.noop"),
    "model": ("bench.model", "bench.model_single"),
    "arrays": ("bench.arrays", "bench.arrays_single"),
    "sleep": ("bench.sleep", "bench.sleep_single"),
}
SHARES = {"batch": 1.0, "single": 0.05, "fair": 0.25}
"""Of the jobs, so that no way takes much longer than the others."""


def args_of(handler: str, n: int) -> Iterable[Any]:
    """Return the args of n jobs."""
    if handler == "model":
        return ({"x": x} for x in inputs(n))
    if handler == "arrays":
        return ({"x": np.array(x, dtype=np.float32)} for x in inputs(n))
    return ({"n": n} for n in range(n))


def once(host: h.Server, handler: str, way: str, options: Any) -> float:
    """Return the jobs per second of one way."""
    batched, one_by_one = HANDLERS[handler]
    kind = one_by_one if way == "fair" else batched
    n = max(20, int(options.jobs * SHARES[way]))
    size = 1 if way == "single" else options.batch
    rows = 1 if way == "single" else 1000
    with h.database(host) as dsn:
        h.use(dsn, app)
        app.kinds[kind].enqueue_many(args_of(handler, n))
        h.analyze(dsn)
        run = _runs.supervise(dsn, kind, n, batch=size, actors=options.actors, settle_rows=rows)
    return float(n / run["wall_s"])


def compare(host: h.Server, handler: str, options: Any) -> Iterator[tuple[str, Any]]:
    """Yield the figures of one handler."""
    rates: dict[str, list[float]] = {way: [] for way in SHARES}
    for _ in range(options.repeat):
        for way in SHARES:
            rates[way].append(once(host, handler, way, options))
            h.say(f"{handler:>8} {way:>8}  {rates[way][-1]:,.0f} jobs/s")
    for way, values in rates.items():
        yield f"{way}_jobs_per_s", h.median(values, 1)
    for name, way in {"ratio": "single", "ratio_fair": "fair"}.items():
        ratios = [a / b for a, b in zip(rates["batch"], rates[way], strict=True)]
        yield name, h.median(ratios)
        yield f"{name}_spread", h.spread(ratios, 2)


def main() -> None:
    """Run the benchmark."""
    options = h.options(
        __doc__ or "",
        jobs=(40_000, 400, "jobs per run of the batches"),
        batch=(500, 100, "jobs per batch"),
        actors=(1, 1, "actors"),
    )
    with h.server() as host:
        h.say(f"on {host.text}")
        made = {handler: dict(compare(host, handler, options)) for handler in HANDLERS}
        main_ = {"ratio": made["model"]["ratio"], "ratio_fair": made["model"]["ratio_fair"]}
        h.report(options, host, {**main_, **made})


if __name__ == "__main__":
    main()
