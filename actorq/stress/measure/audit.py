"""The look at every row after a step: what became of each job, when, and whether that is right."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from actorq.core.counters.histogram import LOG_GAMMA
from actorq.store.admin.run import run
from actorq.store.session.connection import Session
from actorq.stress.core.figures import AuditFigures, LatencyFigures, Window
from actorq.stress.core.histogram import merged, percentiles_ms
from actorq.stress.core.plan import StressPlan
from actorq.stress.measure.looks import LookSession
from actorq.stress.measure.place import StressPlace
from actorq.stress.process.generate import SentChunk
from actorq.stress.process.notes import Ran

WINDOW_S = 0.1
STAGE_JOBS = 20_000
"""How many jobs the medians of the stages are taken from."""

CLOCK_LOOKS = 5


class StepTimes(NamedTuple):
    """When a step began, by the wall clock here, and which part of it is measured."""

    begun_at: float
    from_s: float
    until_s: float


class Latencies(NamedTuple):
    """The durations of one queue's jobs, or of all."""

    latency: LatencyFigures | None
    waiting: LatencyFigures | None
    running: LatencyFigures | None


class Audited(NamedTuple):
    """What a look at every row of a step found."""

    audit: AuditFigures
    all: Latencies
    by_queue: dict[str, Latencies]
    stages_ms: dict[str, float]
    halves_ms: tuple[float | None, float | None]
    windows: list[Window]
    batches: dict[int, int]
    drained_per_s: float  # from the first claim to the last outcome
    busy_s: float  # of all actors together
    worst_ms: float | None  # of all jobs, those that failed and ran again included


class Auditor:
    """A session that looks at the rows of one step after another."""

    def __init__(self, place: StressPlace, plan: StressPlan) -> None:
        self._plan = plan
        self.looks = LookSession(place, lambda conn: _make_tables(conn, place.schema))
        row = self.looks.one("stress_settings", names=["track_commit_timestamp"])
        self.by_commit = row["value"] == "on"

    def audit(
        self, times: StepTimes, sent: Iterable[tuple[int, SentChunk]], ran: Sequence[Ran]
    ) -> Audited:
        """Look at all rows of a step."""
        self._fill(times, sent, ran)
        measured = {"from_us": int(times.from_s * 1e6), "until_us": int(times.until_s * 1e6)}
        by_queue = self._latencies(measured)
        stages, halves = self._stages(measured)
        span = self.looks.one("stress_span")
        return Audited(
            audit=self._counts(),
            all=Latencies(*(_sum_of(each[n] for each in by_queue.values()) for n in range(3))),
            by_queue=by_queue,
            stages_ms=stages,
            halves_ms=halves,
            windows=self._windows(),
            batches=dict(sorted(Counter(len(each.ids) for each in ran).items())),
            drained_per_s=span["n_final"] / (span["us"] / 1e6) if span["us"] else 0.0,
            busy_s=sum(each.ended - each.begun for each in ran),
            worst_ms=None if span["worst_us"] is None else span["worst_us"] / 1000,
        )

    def clock_offset_us(self) -> int:
        """Return how far the server's clock is ahead of ours; the quickest of some looks counts."""
        found = []
        for _ in range(CLOCK_LOOKS):
            before = time.time()
            row = self.looks.one("stress_clock")
            after = time.time()
            found.append((after - before, row["now_us"] - (before + after) / 2 * 1e6))
        return int(min(found)[1])

    def truncate(self) -> None:
        """Empty the queue for the next step."""
        self.looks.run("stress_truncate")

    def close(self) -> None:
        """Close its session."""
        self.looks.close()

    # ---- what is filled in, and what is read from it ----------------------------------------

    def _fill(
        self, times: StepTimes, sent: Iterable[tuple[int, SentChunk]], ran: Sequence[Ran]
    ) -> None:
        self.looks.run("stress_empty")
        self._copy(
            "stress_sent",
            (
                f"{g}\t{c.first_n}\t{c.n_jobs}\t{c.sent_us}\t{c.answered_us}\t{c.doubtful}\n"
                for g, c in sent
                if not c.refused
            ),
        )
        self._copy("stress_ran", (_ran_row(each, times.begun_at) for each in ran))
        begun_us = round(times.begun_at * 1e6) + self.clock_offset_us()
        self.looks.run("stress_stamp", begun_us=begun_us, by_commit=self.by_commit)
        self.looks.conn.execute("ANALYZE pg_temp.stress_stamp")

    def _copy(self, table: str, rows: Iterable[str]) -> None:
        with (
            self.looks.conn.cursor() as cursor,
            cursor.copy(f"COPY pg_temp.{table} FROM STDIN".encode()) as copy,
        ):
            for row in rows:
                copy.write(row)

    def _counts(self) -> AuditFigures:
        kinds = self._plan.kinds
        row = self.looks.one(
            "stress_audit",
            kinds=[kind.name for kind in kinds],
            n_bytes=[kind.result_bytes for kind in kinds],
        )
        attempts = self.looks.run("stress_attempts")
        causes = self.looks.run("stress_causes")
        return AuditFigures(
            **row,
            attempts={each["attempt"]: each["n"] for each in attempts},
            causes={each["cause"]: each["n"] for each in causes},
        )

    def _latencies(self, span: dict[str, int]) -> dict[str, Latencies]:
        rows = self.looks.run("stress_histogram", ln_gamma=LOG_GAMMA, **span)
        found: dict[tuple[str, str], dict[int, int]] = defaultdict(dict)
        most: dict[tuple[str, str], float] = defaultdict(float)
        for row in rows:
            of = row["queue"], row["what"]
            found[of][row["bucket"]] = row["n"]
            most[of] = max(most[of], row["max_us"])
        queues = sorted({kind.queue for kind in self._plan.kinds})
        return {
            queue: Latencies(
                *(_figures(found[queue, what], most[queue, what]) for what in Latencies._fields)
            )
            for queue in queues
        }

    def _stages(
        self, span: dict[str, int]
    ) -> tuple[dict[str, float], tuple[float | None, float | None]]:
        count = self.looks.one("stress_n_stamps")
        every = max(1, count["n"] // STAGE_JOBS)
        row = self.looks.one("stress_stages", every=every, **span)
        ms = {name: us if us is None else round(us / 1000, 3) for name, us in row.items()}
        halves = ms.pop("first_half"), ms.pop("second_half")
        return {name: each for name, each in ms.items() if each is not None}, halves

    def _windows(self) -> list[Window]:
        rows = self.looks.run("stress_windows", width_us=round(WINDOW_S * 1e6))
        return windows_of({row["k"]: (row["arrived"], row["settled"]) for row in rows})


def _make_tables(conn: Session, schema: str) -> None:
    for table in ("sent", "ran", "stamp"):
        run(conn, schema, f"stress_make_{table}")


def windows_of(counts: dict[int, tuple[int, int]]) -> list[Window]:
    """Return all windows from the begin on, also those in which nothing happened."""
    made, backlog = [], 0
    for k in range(max(counts, default=-1) + 1):
        arrived, settled = counts.get(k, (0, 0))
        backlog += arrived - settled
        made.append(Window(round(k * WINDOW_S, 3), arrived, settled, backlog))
    return made


def _ran_row(ran: Ran, begun_at: float) -> str:
    begun_us, ended_us = ((at - begun_at) * 1e6 for at in (ran.begun, ran.ended))
    return f"{begun_us:.0f}\t{ended_us:.0f}\t{{{','.join(map(str, ran.ids))}}}\n"


def _figures(histogram: dict[int, int], max_us: float) -> LatencyFigures | None:
    if not histogram:
        return None
    return LatencyFigures(
        n=sum(histogram.values()),
        percentiles=percentiles_ms(histogram),
        max_ms=round(max_us / 1000, 3),
        histogram=dict(sorted(histogram.items())),
    )


def _sum_of(figures: Iterable[LatencyFigures | None]) -> LatencyFigures | None:
    """Return the figures of several queues together."""
    there = [each for each in figures if each is not None]
    most = max((each.max_ms for each in there), default=0.0)
    return _figures(merged(each.histogram for each in there), most * 1000)
