"""Measure how long a job waits: from the commit of its enqueue to its handler, and to its outcome.

Jobs come one by one at a steady pace to an idle supervisor, woken by NOTIFY or only polling.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

from bench import _harness as h
from bench import _pace, _runs
from bench._handlers import app

WARM_S = 1.0
LAST_S = 0.5
HISTOGRAM = [0.25 * 2 ** (k / 2) for k in range(20)]
"""Upper ends in milliseconds, up to some 180."""


def once(host: h.Server, rate: float, seconds: float, poll_only: bool) -> _pace.Waits:
    """Return how long the jobs of one run waited, without those of the first second."""
    kind = app.kinds["bench.stamp"]
    with h.database(host) as dsn, tempfile.TemporaryDirectory() as out:
        h.use(dsn, app)
        with _runs.supervisor(dsn, kind.name, poll_only=poll_only, out=Path(out)):
            committed = _pace.enqueue(kind, rate, WARM_S + seconds)
            time.sleep(LAST_S)
        waits = _pace.waits(Path(out), committed)
    warm = int(WARM_S * rate)
    return _pace.Waits(waits.start[warm:], waits.settled[warm:])


def figures(runs: list[_pace.Waits]) -> dict[str, Any]:
    """Return medians over the runs, and the distribution over all of them."""
    made: dict[str, Any] = {}
    for prefix, all_ in (("", [r.start for r in runs]), ("settled_", [r.settled for r in runs])):
        each = [h.percentiles(values, prefix) for values in all_]
        for name in each[0]:
            made[name] = h.median([one[name] for one in each], 3)
            made[f"{name}_spread"] = h.spread([one[name] for one in each], 3)
    waited = sorted(ms * 1000 for r in runs for ms in r.start)
    made["share_within_ms"] = {
        f"{end:.2f}": round(sum(ms <= end for ms in waited) / len(waited), 4) for end in HISTOGRAM
    }
    return made


def main() -> None:
    """Run the benchmark."""
    options = h.options(
        __doc__ or "",
        rate=(100, 100, "jobs per second"),
        seconds=(30, 1, "how long"),
    )
    runs: dict[str, list[_pace.Waits]] = {"listen": [], "poll": []}
    with h.server() as host:
        h.say(f"on {host.text}")
        for _ in range(options.repeat):
            for name, all_ in runs.items():
                all_.append(once(host, options.rate, options.seconds, name == "poll"))
                h.say(f"{name:>8}  {h.percentiles(all_[-1].start)}")
        result = figures(runs["listen"]) | {"poll_only": figures(runs["poll"])}
        h.report(options, host, result)


if __name__ == "__main__":
    main()
