"""Let a burst of jobs come and go, and look at the minute after it: claims and waits.

The dead rows that the burst leaves behind are what a claim has to get past.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

from bench import _harness as h
from bench import _pace, _runs
from bench._handlers import app

LAST_S = 0.5


def once(host: h.Server, jobs: int, rate: float, seconds: float) -> dict[str, Any]:
    """Run one burst and the time after it."""
    kind = app.kinds["bench.stamp"]
    with h.database(host) as dsn, tempfile.TemporaryDirectory() as out:
        h.use(dsn, app)
        with _runs.supervisor(dsn, kind.name, out=Path(out)):
            kind.enqueue_many({"n": n, "s": _runs.TEXT} for n in range(jobs))
            _runs.wait_until_empty(dsn)
            begun = time.monotonic()
            h.say(f"the burst of {jobs:,} is gone")
            committed = _pace.enqueue(kind, rate, seconds)
            time.sleep(LAST_S)
        waits = _pace.waits(Path(out), committed, before=jobs)
        claims = [took for at, took, _ in _pace.trace(Path(out))["claims"] if at > begun]
    return {
        "claim_p50_ms": round(h.percentile(claims, 50) * 1000, 3),
        "claim_p99_ms": round(h.percentile(claims, 99) * 1000, 3),
        "claim_max_ms": round(max(claims) * 1000, 3),
        **h.percentiles(waits.start),
    }


def main() -> None:
    """Run the benchmark."""
    options = h.options(
        __doc__ or "",
        jobs=(1_000_000, 2_000, "jobs of the burst"),
        rate=(100, 100, "jobs per second after it"),
        seconds=(60, 1, "how long after it"),
    )
    runs = []
    with h.server() as host:
        h.say(f"on {host.text}")
        for _ in range(options.repeat):
            runs.append(once(host, options.jobs, options.rate, options.seconds))
            h.say(str(runs[-1]))
        result: dict[str, Any] = {name: h.median([r[name] for r in runs], 3) for name in runs[0]}
        result["claim_p99_ms_spread"] = h.spread([r["claim_p99_ms"] for r in runs], 3)
        h.report(options, host, result)


if __name__ == "__main__":
    main()
