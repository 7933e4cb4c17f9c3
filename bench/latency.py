"""Measure how long a job waits: from the commit of its enqueue to its handler, and to its outcome.

Jobs come one by one at a steady pace to an idle supervisor, woken by NOTIFY or only polling; if
asked for, after a backlog that must not change how the supervisor is woken for good. Beside the
waits stand what a job cost the server in rows: versions that are updated or deleted have to be
vacuumed.
"""

from __future__ import annotations

import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from bench import _harness as h
from bench import _pace, _runs
from bench._handlers import app

WARM_S = 1.0
LAST_S = 0.5
HISTOGRAM = [0.25 * 2 ** (k / 2) for k in range(20)]
"""Upper ends in milliseconds, up to some 180."""


class Run(NamedTuple):
    """Hold what one run found, without the jobs of the first second."""

    waits: _pace.Waits
    dead_rows_per_job: float


DEAD_ROWS = """SELECT sum(n_tup_upd + n_tup_del)::float8
    FROM pg_stat_user_tables WHERE schemaname = 'actorq'"""


def once(
    host: h.Server, rate: float, seconds: float, *, backlog: int = 0, poll_only: bool = False
) -> Run:
    """Enqueue at the pace and return how long the jobs waited."""
    kind = app.kinds["bench.stamp"]
    with h.database(host) as dsn, tempfile.TemporaryDirectory() as out:
        h.use(dsn, app)
        with _runs.supervisor(dsn, kind.name, poll_only=poll_only, out=Path(out)):
            if backlog:
                kind.enqueue_many({"n": n} for n in range(backlog))
                _runs.wait_until_empty(dsn)
            committed = _pace.enqueue(kind, rate, WARM_S + seconds)
            time.sleep(LAST_S)
        app.client.close()  # its statistics are told when its connection ends
        dead_rows = h.run(dsn, DEAD_ROWS)[0]
        waits = _pace.waits(Path(out), committed, before=backlog)
    warm = int(WARM_S * rate)
    waits = _pace.Waits(waits.start[warm:], waits.settled[warm:])
    return Run(waits, dead_rows / (backlog + len(committed)))


def figures(all_runs: list[Run]) -> dict[str, Any]:
    """Return medians over the runs, and the distribution over all of them."""
    dead_rows, runs = [r.dead_rows_per_job for r in all_runs], [r.waits for r in all_runs]
    made: dict[str, Any] = {"dead_rows_per_job": h.median(dead_rows, 2)}
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
        backlog_first=(0, 100, "jobs that are there at once before the steady ones come"),
    )
    runs: dict[str, list[Run]] = {"listen": [], "poll": []}
    with h.server() as host:
        h.say(f"on {host.text}")
        run_of = partial(once, host, options.rate, options.seconds, backlog=options.backlog_first)
        for _ in range(options.repeat):
            for name, all_ in runs.items():
                all_.append(run_of(poll_only=name == "poll"))
                h.say(f"{name:>8}  {h.percentiles(all_[-1].waits.start)}")
        result = figures(runs["listen"]) | {"poll_only": figures(runs["poll"])}
        h.report(options, host, result)


if __name__ == "__main__":
    main()
