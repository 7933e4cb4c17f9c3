"""Let a fleet of supervisors have nothing to do, and count what they ask of the server.

Then jobs come one at a time, far apart: how many of the supervisors claim for each, and how long
it waits. Statements are transactions, as each statement of an idle supervisor is one.
"""

from __future__ import annotations

import json
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench import _harness as h
from bench import _runs
from bench._handlers import app

KIND = "bench.stamp"
APART_S = 0.5
TRANSACTIONS = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"


def once(host: h.Server, options: Any) -> dict[str, float]:
    """Start a fleet, watch it being idle, then give it something to do now and then."""
    kind, n = app.kinds[KIND], options.supervisors
    with h.database(host) as dsn, tempfile.TemporaryDirectory() as out, ExitStack() as fleet:
        h.use(dsn, app)
        places = [Path(out) / str(k) for k in range(n)]
        for place in places:
            place.mkdir()
            fleet.enter_context(_runs.supervisor(dsn, KIND, out=place))
        time.sleep(options.calm)
        before, begun = h.run(dsn, TRANSACTIONS)[0], time.monotonic()
        time.sleep(options.seconds)
        took_s = time.monotonic() - begun
        n_statements = h.run(dsn, TRANSACTIONS)[0] - before
        begun, committed = time.monotonic(), []
        for k in range(options.jobs):
            kind.enqueue({"n": k})
            committed.append(time.monotonic())
            time.sleep(APART_S)
        ended = time.monotonic()
        fleet.close()
        claims = [at for place in places for at in _claims(place) if begun < at < ended]
        waits = [at - c for at, c in zip(_handled(places), committed, strict=True)]
    return {
        "statements_per_s": n_statements / took_s / n,
        "claims_per_enqueue": len(claims) / options.jobs,
        **h.percentiles(waits),
    }


def _claims(place: Path) -> list[float]:
    trace = json.loads((place / "supervisor.json").read_text())
    return [at for at, _, _ in trace["claims"]]


def _handled(places: list[Path]) -> list[float]:
    """Return when each job's handler began, of all actors."""
    paths = [path for place in places for path in place.glob("actor-*.json")]
    return sorted(at for path in paths for at, _ in json.loads(path.read_text()))


def main() -> None:
    """Run the benchmark."""
    options = h.options(
        __doc__ or "",
        supervisors=(20, 3, "how many supervisors share the database"),
        # The questions of the start are asked ever more rarely, and a connection that has nothing
        # more to do tells of its transactions only after 10 s.
        calm=(12.0, 1.0, "how long after their start"),
        seconds=(20, 2, "how long they are watched being idle"),
        jobs=(40, 4, "jobs that come one by one"),
    )
    runs = []
    with h.server() as host:
        h.say(f"on {host.text}")
        for _ in range(options.repeat):
            runs.append(once(host, options))
            h.say(str(runs[-1]))
        result: dict[str, Any] = {name: h.median([r[name] for r in runs], 3) for name in runs[0]}
        for name in ("statements_per_s", "claims_per_enqueue"):
            result[f"{name}_spread"] = h.spread([r[name] for r in runs], 3)
        h.report(options, host, result)


if __name__ == "__main__":
    main()
