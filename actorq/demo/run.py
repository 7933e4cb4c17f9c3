"""Run the demo: real texts through the queue in three ways, and the near-duplicates found."""

from __future__ import annotations

import json
import logging
import platform
import statistics
import sys
import time
from collections.abc import Sequence
from typing import NamedTuple, TextIO

import psycopg

from actorq import embedded
from actorq.core.event import BatchFinished, BatchSettled, Event
from actorq.demo import kinds
from actorq.demo.corpus import Text, texts
from actorq.demo.database import KindFigures, fresh_database, outcome_of, results_of
from actorq.demo.neighbours import MAX_DISTANCE, Pair, near_duplicates
from actorq.demo.show import printable, progress, shortened, table
from actorq.demo.signature import N_BITS
from actorq.events import Events
from actorq.kind import Kind
from actorq.supervisor.engine import Engine
from actorq.supervisor.options import RunOptions

SHOWN = 8


class WayToRun(NamedTuple):
    """One way of running the same work; `at_most` keeps the slow ones short."""

    title: str
    kind: Kind
    at_most: int | None
    settle_rows: int


class Measured(NamedTuple):
    """What one way achieved."""

    way: WayToRun
    outcome: KindFigures
    batch: float  # its mean size
    results: list[str | None]

    @property
    def rate(self) -> float:
        """Return jobs per second from the first claim to the last settle."""
        return self.outcome.n_completed / max(self.outcome.took_s, 1e-9)


WAYS = (
    WayToRun("whole batches", kinds.in_batches, None, 1000),
    WayToRun("jobs one by one, claimed and settled in batches", kinds.each_alone, 6000, 1000),
    WayToRun("single jobs: a claim and a settle each", kinds.one_by_one, 1000, 1),
)


def run(as_json: bool = False, limit: int | None = None) -> int:
    """Run the whole demo; with `as_json` the last line on stdout is one JSON object."""
    out = sys.stderr if as_json else sys.stdout
    printable(out)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    start = time.monotonic()
    found = texts(limit)
    python = platform.python_version()
    _say(out, f"{len(found):,} texts: docstrings and comments of Python {python}'s library")
    with embedded.start() as server:
        _say(out, server.describe())
        with fresh_database(server.dsn) as dsn:
            measured = [_measure(out, dsn, way, found) for way in WAYS]
    pairs = near_duplicates([result for result in measured[0].results if result])
    _report(out, found, measured, pairs)
    _say(out, f"the whole demo took {time.monotonic() - start:.0f} s")
    if as_json:
        print(json.dumps(summary(measured, pairs)))
    return 0 if _is_right(measured) else 1


def summary(measured: Sequence[Measured], pairs: Sequence[Pair]) -> dict[str, float]:
    """Return the figures that `--json` prints."""
    batch, _, single = measured
    return {
        "jobs": sum(m.outcome.n_completed for m in measured),
        "batch_jobs_per_s": round(batch.rate),
        "single_jobs_per_s": round(single.rate),
        "ratio": round(batch.rate / single.rate, 1) if single.rate else 0,
        "failed": sum(m.outcome.n_failed for m in measured),
        "duplicates_found": len(pairs),
    }


def _measure(out: TextIO, dsn: str, way: WayToRun, found: Sequence[Text]) -> Measured:
    jobs = found[: way.at_most]
    with psycopg.connect(dsn) as conn:
        way.kind.enqueue_many(jobs, conn=conn)
    sizes: list[int] = []
    with progress(out, way.title, len(jobs)) as advance:

        def follow(event: Event) -> None:
            if isinstance(event, BatchSettled):
                advance(event.n_jobs)
            elif isinstance(event, BatchFinished):
                sizes.append(event.n_jobs)

        options = RunOptions(
            dsn=dsn,
            schema="actorq",
            kinds=(way.kind.bound(),),
            drain=True,
            settle_rows=way.settle_rows,
        )
        Engine(options, Events(follow)).run()
    outcome = outcome_of(dsn, way.kind.name)
    if outcome.n_pending:  # the supervisor was told to stop: stop too
        raise KeyboardInterrupt
    return Measured(way, outcome, statistics.fmean(sizes or [0]), results_of(dsn, way.kind.name))


def _is_right(measured: Sequence[Measured]) -> bool:
    """Tell whether every job completed, and every way gave the same results."""
    reference = measured[0].results
    same = all(m.results == reference[: len(m.results)] for m in measured)
    return same and not any(m.outcome.n_failed for m in measured)


def _report(
    out: TextIO, found: Sequence[Text], measured: Sequence[Measured], pairs: Sequence[Pair]
) -> None:
    head = ("", "jobs", "jobs/s", "mean batch", "enqueue to done p50", "p99", "ratio")
    rows = [
        (
            m.way.title,
            f"{m.outcome.n_completed:,}",
            f"{m.rate:,.0f}",
            f"{m.batch:.0f}",
            f"{m.outcome.p50_s:.2f} s",
            f"{m.outcome.p99_s:.2f} s",
            f"{measured[0].rate / m.rate:.1f} ×" if m.rate else "–",
        )
        for m in measured
    ]
    _say(out, "\n" + table(head, rows))
    identical = sum(pair.distance == 0 for pair in pairs)
    _say(
        out,
        f"\n{len(pairs):,} pairs of texts differ in at most {MAX_DISTANCE} of {N_BITS} bits,"
        f" {identical:,} of them in none; the closest of the others:\n",
    )
    near = [pair for pair in pairs if pair.distance][:SHOWN]
    for pair in near:
        for text in (found[pair.a], found[pair.b]):
            _say(out, f"  {pair.distance:>2}  {text.place:<32} {shortened(text.text, 60)}")
    same = "the same" if _is_right(measured) else "NOT THE SAME, or jobs failed"
    _say(out, f"\nresults of the three ways: {same}")


def _say(out: TextIO, text: str) -> None:
    print(text, file=out, flush=True)
