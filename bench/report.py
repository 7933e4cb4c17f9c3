"""Run all benchmarks one after another; write their figures, a table and pictures to a directory.

Takes an hour or two. What is in the directory already can be kept with --reuse, so that single
benchmarks can be run again: name them.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import _harness as h
from bench import _plots
from bench._set import RUNS, chosen

HERE = Path(__file__).parent
Results = dict[str, dict[str, Any]]

ROWS = (
    # run, key of its figures, what it says
    ("drain", "jobs_per_s", "no-op jobs drained per second, batches of 1000"),
    ("drain", "of_floor", "… of what the same statements reach alone"),
    ("drain", "wal_bytes_per_job", "bytes of WAL per job, enqueue included"),
    ("drain", "supervisor_us_per_job", "µs of supervisor CPU per job"),
    ("drain", "server_us_per_job", "µs of server CPU per job"),
    ("drain_100", "jobs_per_s", "no-op jobs drained per second, batches of 100"),
    ("enqueue", "bulk_jobs_per_s", "jobs enqueued per second in bulk"),
    ("enqueue", "absent_32_jobs_per_s", "… one by one by 32 clients"),
    ("enqueue", "notify_ratio_32", "… with notifications, of the rate without"),
    ("latency", "p50_ms", "ms from enqueue commit to handler, median"),
    ("latency", "p99_ms", "… 99 of 100 within"),
    ("burst", "claim_p99_ms", "ms of a claim after a burst, 99 of 100 within"),
    ("burst", "p99_ms", "ms from enqueue commit to handler then, 99 of 100 within"),
    ("idle", "statements_per_s", "statements a second of an idle supervisor, of 20"),
    ("idle", "claims_per_enqueue", "claims for one job that comes to 20 idle ones"),
    ("held_snapshot", "ratio", "drain with a snapshot held, of the rate without"),
    ("finished_rows", "ratio", "drain beside finished rows, of the rate without"),
    ("scheduled_rows", "ratio", "drain beside scheduled rows, of the rate without"),
    ("payload", "ratio_1kb", "drain with 1 kB of args, of the rate with 100 B"),
    ("batch_vs_single", "ratio", "model in batches, times single-job mode"),
    ("batch_vs_single", "ratio_fair", "… times single jobs with batched claim and settle"),
    ("actors_busy", "busy", "share of their time that actors compute"),
    ("steps", "us_per_step_1", "µs of a supervisor's decision, beside one idle lane"),
    ("steps", "ratio_10000", "… beside 10,000, times that"),
    ("supervisors", "ratio", "4 supervisors on one database, of the rate of one"),
    ("recovery", "actor_ms", "ms from an actor's kill until its other jobs are claimed again"),
    ("recovery", "same_host_ms", "… from a supervisor's, another one on its host"),
    ("recovery", "elsewhere_of_ttl", "… another one elsewhere, in parts of the ttl"),
    ("recovery", "database_ms", "ms from a restarted database's first answer to the first claim"),
    ("recovery", "database_away_ms", "… after it was away for 5 s"),
    ("start", "first_job_s", "s from the start of a supervisor to its first job done"),
    ("start", "first_job_private_s", "… with the private server, which it starts"),
    ("waiting", "p50_ms", "ms from a job's commit to the return of one of 1,000 threads that wait"),
    ("waiting", "quiet_queries_per_s", "queries a second for them while nothing happens"),
    ("waiting", "connections", "connections for all of them"),
    ("events", "missing", "events that a follower of 3 supervisors misses, of 300,000"),
    ("events", "duplicates", "… and that come twice"),
    ("events", "order_broken", "… and that come before an earlier one of their job"),
    ("events", "followed_ratio", "rate with a follower on the same cores, of the rate with none"),
    ("admin", "status_ms", "ms to the first line of status, with 5 million jobs"),
    ("admin", "jobs_ready_ms", "… of jobs --state ready"),
    ("admin", "jobs_failed_ms", "… of jobs --state failed"),
    ("admin", "doctor_ms", "… of doctor"),
    ("admin", "prune_idle_ms", "ms of a prune with nothing to do"),
    ("admin", "retry_jobs_per_s", "dead letters retried per second"),
    ("status", "p50_ms", "ms of status --json, 5 million jobs waiting and 10 million done"),
    ("outage", "failed_batches_500", "batches of 500 that fail before a kind rests"),
    ("outage", "extra_s", "s that a drain with 5 s of outage takes longer, beside these"),
    ("poison", "ratio_0s", "rate with 1 % killers, of the rate with none"),
    ("poison", "deaths_per_culprit_1s", "deaths for each killer in a vectorised handler"),
    ("poison", "deaths_marked", "… in a loop that marks its jobs"),
    ("peers", "drain_vs_best_peer", "no-op drain, times the best Python peer"),
    ("peers", "model_vs_best_peer", "model, times the best Python peer"),
)
PICTURES: dict[str, Callable[[dict[str, Any], Path], None]] = {
    "batch_size": _plots.batch_size,
    "latency": _plots.latency,
    "peers": _plots.peers,
}


def run(name: str, to: Path, tiny: bool) -> dict[str, Any] | None:
    """Run a benchmark and keep its figures; None if it failed."""
    bench, *sizes = RUNS[name]
    command = [sys.executable, "-P", str(HERE / f"{bench}.py"), "--json"]
    h.say(f"---- {name}")
    command += ["--tiny"] if tiny else sizes
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        h.say(f"{name} failed with exit code {done.returncode}")
        return None
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    (to / f"{name}.json").write_text(json.dumps(figures, indent=1) + "\n")
    return figures


def table(results: Results) -> str:
    """Return the figures as a Markdown table, with their spread where there is one."""
    lines = ["| | median | least to most |", "|---|---|---|"]
    for name, key, text in ROWS:
        figures = results.get(name, {})
        if key not in figures:
            continue
        ends = figures.get(f"{key}_spread") or figures.get("spread", {}).get(key)
        spread = " – ".join(map(_shown, ends)) if ends else ""
        lines.append(f"| {text} | {_shown(figures[key])} | {spread} |")
    facts = next(iter(results.values()))["machine"]
    said = ", ".join(f"{name} {value}" for name, value in facts.items() if name != "server")
    return "\n".join([*lines, "", said, ""])


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:g}"


def draw(results: Results, to: Path) -> None:
    """Draw what there are figures for."""
    for name, picture in PICTURES.items():
        if name in results:
            picture(results[name], to / f"{name}.png")
    if {"held_snapshot", "finished_rows", "scheduled_rows"} & results.keys():
        _plots.hard_cases(results, to / "hard_cases.png")


def main() -> None:
    """Run the set."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", help=f"which to run (all): {', '.join(RUNS)}")
    parser.add_argument("--without", default="", help="which not to run, parted by commas")
    parser.add_argument("--to", type=Path, help="the directory; a new one unless given")
    parser.add_argument("--reuse", action="store_true", help="run only what is not there yet")
    parser.add_argument("--tiny", action="store_true", help="only show that each works")
    parser.add_argument("--json", action="store_true", help="print the figures as one last line")
    options = parser.parse_args()
    to = options.to or Path(tempfile.mkdtemp(prefix="actorq-bench-"))
    to.mkdir(parents=True, exist_ok=True)
    there = {path.stem: json.loads(path.read_text()) for path in to.glob("*.json")}
    results: Results = {name: there[name] for name in RUNS if name in there}
    to_run = chosen(options.names, options.without.split(","), options.tiny)
    failed = []
    with h.any_server():  # one start for all of them
        for name in to_run:
            if options.reuse and name in results:
                continue
            figures = run(name, to, options.tiny)
            if figures is None:
                failed.append(name)
            else:
                results[name] = figures
    (to / "report.md").write_text(table(results))
    draw(results, to)
    h.say(f"{table(results)}\n{to}")
    if options.json:
        print(json.dumps({"to": str(to), "failed": failed, "ran": to_run}))
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
