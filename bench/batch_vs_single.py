"""A vectorised handler against single-job mode, and against the fair baseline.

Three ways to score the same inputs with the same model: batches through a handler that scores
them at once; single-job mode, where every job is claimed, run and settled by itself; and a
handler that scores one job at a time, but with batched claim and settle.
"""

from __future__ import annotations

import random

from bench import _harness as h
from bench._handlers import WIDTH, Model, app

WAYS = {
    # kind, whether claim and settle take many jobs, share of the jobs
    "batch": ("bench.model", True, 1.0),
    "single": ("bench.model", False, 0.1),
    "single_batched": ("bench.model_single", True, 0.5),
}


def once(host: h.Server, way: str, jobs: int, batch: int, actors: int) -> float:
    """Return the jobs per second of one way."""
    kind, batched, share = WAYS[way]
    n = max(1, int(jobs * share))
    rng = random.Random(1)
    with h.database(host) as dsn:
        h.use(dsn, app)
        target = app.kinds[kind]
        target.enqueue_many({"x": [round(rng.random(), 4) for _ in range(WIDTH)]} for _ in range(n))
        h.analyze(dsn)
        size = batch if batched else 1
        rows = 1000 if batched else 1
        run = h.supervise(dsn, kind, n, batch=size, actors=actors, settle_rows=rows)
    return float(n / run["wall_s"])


def main() -> None:
    """Run the benchmark."""
    parser = h.parser(__doc__ or "")
    parser.add_argument("--jobs", type=int, default=40_000)
    parser.add_argument("--batch", type=int, default=500)
    parser.add_argument("--actors", type=int, default=1)
    options = parser.parse_args()
    rates: dict[str, list[float]] = {way: [] for way in WAYS}
    with h.server() as host:
        print(f"on {host.text}; model {Model.__doc__}")
        for _ in range(options.repeat):
            for way in WAYS:
                rate = once(host, way, options.jobs, options.batch, options.actors)
                rates[way].append(rate)
                print(f"{way:>16}  {rate:,.0f} jobs/s", flush=True)
    single = [b / s for b, s in zip(rates["batch"], rates["single"], strict=True)]
    fair = [b / s for b, s in zip(rates["batch"], rates["single_batched"], strict=True)]
    result = {f"{way}_jobs_per_s": round(h.summary(r)["median"], 1) for way, r in rates.items()}
    result |= {"ratio": round(h.summary(single)["median"], 2)}
    result |= {"ratio_fair": round(h.summary(fair)["median"], 2)}
    h.report(options, result | {"batch": options.batch, "machine": h.machine()}, print)


if __name__ == "__main__":
    main()
