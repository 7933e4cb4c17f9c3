"""Measure other Python job queues beside actorq, on the same server in the same run.

Each peer runs with its own recommended settings in an environment of its own: no-op jobs drained
by one process and by two (the better counts), bulk enqueue, latency at a steady pace, and the
model, in the same way. actorq has one supervisor; the model is run by one actor and by two. A peer
that cannot run here is left out, and it is said why.

The peers' handlers compute the model's scores and drop them, since most of these queues have no
place for results. `model_jobs_per_s` is the same work here; what it takes to store the scores,
and inputs that come as arrays, have figures of their own.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from bench import _harness as h
from bench import _peer_runs as p
from bench import _plots, _runs, batch_vs_single, enqueue
from bench import latency as own_latency
from bench._handlers import app

PROCESSES = (1, 2)
OWN_MODEL = {
    # figure: kind, and how its inputs come
    "model": ("bench.model_unstored", "model"),
    "model_stored": ("bench.model", "model"),
    "arrays_stored": ("bench.arrays", "arrays"),
}
COLUMNS = {
    "drain_jobs_per_s": "drain, jobs/s",
    "model_jobs_per_s": "model, jobs/s",
    "bulk_jobs_per_s": "bulk enqueue, jobs/s",
    "p50_ms": "latency p50, ms",
    "p99_ms": "latency p99, ms",
}


def own(host: h.Server, options: Any) -> dict[str, float]:
    """Measure actorq once, with one supervisor."""
    made: dict[str, float] = {}
    with h.database(host) as dsn:
        made["drain_jobs_per_s"] = _runs.drain(host, dsn, options.jobs, 1000)["jobs_per_s"]
    made["bulk_jobs_per_s"], _ = enqueue.bulk(host, options.jobs)
    for name, (kind, inputs) in OWN_MODEL.items():
        rates = [_own_model(host, kind, inputs, options.model_jobs, n) for n in PROCESSES]
        made |= {f"{name}_{n}_jobs_per_s": r for n, r in zip(PROCESSES, rates, strict=True)}
        made[f"{name}_jobs_per_s"] = max(rates)
    run = own_latency.once(host, options.rate, options.seconds)
    return made | _latency(run.waits.start)


def _own_model(host: h.Server, kind: str, inputs: str, jobs: int, actors: int) -> float:
    with h.database(host) as dsn:
        h.use(dsn, app)
        app.kinds[kind].enqueue_many(batch_vs_single.args_of(inputs, jobs))
        h.analyze(dsn)
        run = _runs.supervise(dsn, kind, jobs, batch=500, actors=actors)
        return float(jobs / run["wall_s"])


def other(host: h.Server, peer: p.Peer, python: str, options: Any) -> dict[str, float]:
    """Measure a peer once."""
    made: dict[str, float] = {}
    jobs = max(100, int(peer.jobs * options.scale))
    filled = []
    for kind, name in (("noop", "drain"), ("model", "model")):
        for n in PROCESSES:
            bulk, made[f"{name}_{n}_jobs_per_s"] = p.drain(host, peer, python, kind, jobs, n)
            filled += [bulk] if kind == "noop" else []
        made[f"{name}_jobs_per_s"] = max(made[f"{name}_{n}_jobs_per_s"] for n in PROCESSES)
    made["bulk_jobs_per_s"] = h.median(filled)
    n = int(options.rate * options.seconds)
    return made | _latency(p.latency(host, peer, python, options.rate, n))


def _latency(seconds: list[float]) -> dict[str, float]:
    return {k: v for k, v in h.percentiles(seconds).items() if k in COLUMNS}


def measure(host: h.Server, options: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the medians of everybody's runs, and why some have none."""
    runs: dict[str, list[dict[str, float]]] = {}
    skipped: dict[str, str] = {}
    pythons = {}
    for peer in p.PEERS:
        try:
            pythons[peer] = p.environment(peer)
        except p.Skipped as reason:
            skipped[peer.name] = str(reason)
    for _ in range(options.repeat):
        runs.setdefault("actorq", []).append(own(host, options))
        h.say(f"actorq  {runs['actorq'][-1]}")
        for peer, python in pythons.items():
            if peer.name in skipped:
                continue
            try:
                runs.setdefault(peer.name, []).append(other(host, peer, python, options))
                h.say(f"{peer.name}  {runs[peer.name][-1]}")
            except (p.Skipped, RuntimeError) as reason:
                skipped[peer.name] = str(reason)
    measured = {name: each for name, each in runs.items() if name not in skipped}
    return {
        name: {key: h.median([run[key] for run in each], 3) for key in each[0]}
        for name, each in measured.items()
    }, skipped


def table(measured: dict[str, Any]) -> str:
    """Return the figures as a Markdown table."""
    lines = ["| | " + " | ".join(COLUMNS.values()) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    for name, figures in measured.items():
        cells = [f"{figures[key]:,.{2 if 'ms' in key else 0}f}" for key in COLUMNS]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Run the benchmark."""
    options = h.options(
        __doc__ or "",
        jobs=(200_000, 2_000, "no-op jobs of actorq"),
        model_jobs=(60_000, 1_000, "model jobs of actorq"),
        scale=(1.0, 0.05, "share of a peer's usual number of jobs"),
        rate=(100, 50, "jobs per second for latency"),
        seconds=(10, 1, "how long, for latency"),
        to=("", "", "directory for the table, JSON and picture; one of its own unless given"),
    )
    with h.server() as host:
        h.say(f"on {host.text}")
        measured, skipped = measure(host, options)
        result: dict[str, Any] = {"measured": measured, "skipped": skipped}
        for key in ("drain", "model", "bulk"):
            column = f"{key}_jobs_per_s"
            best = max((f[column] for n, f in measured.items() if n != "actorq"), default=None)
            if best:
                result[f"{key}_vs_best_peer"] = round(measured["actorq"][column] / best, 2)
        to = Path(options.to or tempfile.mkdtemp(prefix="actorq-peers-"))
        to.mkdir(parents=True, exist_ok=True)
        drawn = result | {"machine": h.facts(host)}
        (to / "peers.md").write_text(table(measured) + "\n")
        (to / "peers.json").write_text(json.dumps(drawn, indent=1))
        _plots.peers(drawn, to / "peers.png")
        h.say(f"{table(measured)}\n\n{to}/peers.md, .json, .png")
        for name, reason in skipped.items():
            h.say(f"{name} was left out: {reason.splitlines()[-1]}")
        h.report(options, host, result)


if __name__ == "__main__":
    main()
