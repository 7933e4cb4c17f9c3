"""Enqueue at a steady pace, and find out how long each job waited for its handler."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from actorq.kind import Kind


@dataclass
class Waits:
    """Hold durations in seconds, in the order of the jobs."""

    start: list[float]  # from the enqueue's commit to the handler's start
    settled: list[float]  # … to the commit of the outcome being known


def enqueue(kind: Kind, rate: float, seconds: float) -> list[float]:
    """Enqueue one job after another at a rate; returns when each commit was known."""
    begun, committed = time.monotonic(), []
    for n in range(int(rate * seconds)):
        time.sleep(max(0.0, begun + n / rate - time.monotonic()))
        kind.enqueue({"n": n})
        committed.append(time.monotonic())
    return committed


def trace(out: Path) -> dict[str, Any]:
    """Return what the supervisor noted: its claims, and the batches it sent and wrote."""
    noted: dict[str, Any] = json.loads((out / "supervisor.json").read_text())
    return noted


def waits(out: Path, committed: list[float], before: int = 0) -> Waits:
    """Join what enqueuer, actor and supervisor noted; the first `before` jobs were others.

    There is one enqueuer, one lane and one actor: jobs are claimed, handled and noted in the
    order in which they were enqueued.
    """
    noted = trace(out)
    (path,) = out.glob("actor-*.json")
    begun: list[float] = []
    settled: list[float] = []
    written = dict(noted["written"])
    for (lease, n), (at, n_handled) in zip(
        noted["sent"], json.loads(path.read_text()), strict=True
    ):
        if n != n_handled:
            raise RuntimeError("the handler's batches are not those that were claimed")
        begun += [at] * n
        settled += [written[lease]] * n
    if len(begun) != before + len(committed):
        raise RuntimeError(f"{len(begun)} jobs were handled, not {before + len(committed)}")
    return Waits(
        [b - c for b, c in zip(begun[before:], committed, strict=True)],
        [s - c for s, c in zip(settled[before:], committed, strict=True)],
    )
