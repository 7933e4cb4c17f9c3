"""One step of a stress test: a load for a while, the drain of what is left, and the audit."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from actorq.stress.core.figures import (
    AuditFigures,
    CountedFigures,
    SentFigures,
    StepFigures,
    StepRole,
)
from actorq.stress.core.plan import LoadPlan
from actorq.stress.core.steady import PEAK_S, Judged, judged
from actorq.stress.core.verdict import broken_bound
from actorq.stress.ground import Ground, n_actors, warm_up
from actorq.stress.measure.audit import Audited, StepTimes
from actorq.stress.process.generators import StepLoad, StepSent

LOOK_S = 0.1
MIN_PEAK = 500
"""A backlog below this ends no step early, however low the rate is."""

REPLY_S = 60.0
FOREVER_S = 1e9
LAST_ID = 2**63 - 1
HEARD_S = 10.0
"""How much later than the table a follower may know of a job: it reads in rounds."""
LATE_MS = LoadPlan().late_ms


class StepOrder(NamedTuple):
    """A step to run: its name in the report, what it is for, and its load."""

    name: str
    role: StepRole
    load: StepLoad
    seed: int


class StepRun:
    """One step: its load, the drain of what is left, and the look at every row."""

    def __init__(self, ground: Ground, order: StepOrder) -> None:
        self._ground, self._order = ground, order
        self._peak = 0

    def run(self, during: Callable[[float], None] = lambda elapsed: None) -> StepFigures:
        """Run the step; `during` is called several times a second with the time passed."""
        ground, load = self._ground, self._order.load
        ground.generators.prepare(load, self._order.seed)
        ground.sampler.take_ran()
        for counter in ground.counters:
            counter.begin()
        at = ground.generators.go()
        begun_at = time.time() + at - time.monotonic()
        seconds = self._send(at, during)
        late_ms = ground.plan.load.late_ms if ground.plan.load else LATE_MS
        sent = ground.generators.finish(REPLY_S, late_ms)
        if load.at_once:
            ground.fleet.start()
        drained_s = self._drain()
        times = self._measured(begun_at, seconds)
        audited = ground.auditor.audit(times, sent.chunks, ground.sampler.take_ran())
        figures = self._figures(times, seconds, drained_s, sent, audited, begun=at)
        self._clear(audited.audit)
        return figures

    def _measured(self, begun_at: float, seconds: float) -> StepTimes:
        """Return which part of the step is measured: of a drain all, else what was not warm-up."""
        if self._order.load.at_once:
            return StepTimes(begun_at, 0.0, FOREVER_S)
        settings = self._ground.plan.load
        warm_up_s = min(settings.warm_up_s if settings else 0.0, seconds / 2)
        return StepTimes(begun_at, warm_up_s, seconds)

    def _send(self, at: float, during: Callable[[float], None]) -> float:
        """Look on until all is sent, or the backlog is far too high; return for how long."""
        ground, load = self._ground, self._order.load
        while (elapsed := time.monotonic() - at) < load.seconds:
            time.sleep(min(LOOK_S, max(0.0, load.seconds - elapsed)))
            during(elapsed)
            ground.fleet.check()
            self._peak = max(self._peak, self._backlog())
            if self._is_hopeless() or ground.is_over():
                ground.generators.halt()
                return time.monotonic() - at
        return load.seconds

    def _is_hopeless(self) -> bool:
        """Tell whether the backlog is so high that the rate is not borne; a fault may do that."""
        limit = max(self._order.load.rate * PEAK_S, MIN_PEAK)
        return self._order.role != "fault" and self._peak > limit

    def _backlog(self) -> int:
        row = self._ground.looks.one("stress_backlog")
        return int(row["due"] + row["later"] + row["leased"])

    def _drain(self) -> float:
        """Wait until nothing is left, within bounds; return how long that took."""
        ground, begun = self._ground, time.monotonic()
        limit_s = ground.plan.load.drain_s if ground.plan.load else ground.plan.max_s
        if self._order.load.at_once:
            limit_s = ground.plan.max_s
        while self._backlog() and not ground.is_over():
            if time.monotonic() - begun > limit_s:
                break
            time.sleep(LOOK_S / 2)
        return time.monotonic() - begun

    def _clear(self, audit: AuditFigures) -> None:
        """Leave an empty queue; what still runs is ended with its supervisors."""
        ground = self._ground
        if audit.unfinished:
            ground.fleet.stop()
            # What ended meanwhile is to be heard of now, and not in the next step.
            row = ground.looks.one("stress_final_below", low=0, high=LAST_ID)
            for counter in ground.counters:
                counter.finish(row["n_final"], HEARD_S)
        ground.auditor.truncate()
        if audit.unfinished and not ground.is_over():
            ground.fleet.start()
            warm_up(ground)

    # ---- figures ----------------------------------------------------------------------------

    def _figures(
        self, times: StepTimes, seconds: float, drained_s: float, sent: StepSent,
        audited: Audited, begun: float,
    ) -> StepFigures:  # fmt: skip
        order, ground = self._order, self._ground
        end = self._judged(times, audited, sent.figures)
        rate = audited.drained_per_s if order.load.at_once else achieved(times, audited)
        return StepFigures(
            name=order.name,
            role=order.role,
            loop="closed" if order.load.at_once else "open",
            rate=None if order.load.at_once else order.load.rate,
            seconds=round(seconds, 3),
            begun_s=round(begun - ground.begun, 2),
            end=end.end,
            why=end.why,
            achieved=round(rate, 1),
            sent=sent.figures,
            latency=audited.all.latency,
            waiting=audited.all.waiting,
            running=audited.all.running,
            stages_ms=audited.stages_ms,
            windows=audited.windows,
            audit=audited.audit,
            counted=self._counted(audited.audit),
            queues={q: f.latency for q, f in audited.by_queue.items() if f.latency is not None},
            batches=audited.batches,
            busy_share=round(audited.busy_s / n_actors(ground.plan) / (seconds + drained_s), 3),
            drained_s=round(drained_s, 2),
            worst_ms=audited.worst_ms,
            peak_backlog=max([self._peak, *(w.backlog for w in audited.windows)]),
        )

    def _judged(self, times: StepTimes, audited: Audited, sent: SentFigures) -> Judged:
        over = self._ground.is_over()
        if over:
            return Judged("cut short", over)
        if self._order.load.at_once:
            return self._drained(audited.audit)
        if self._order.role == "fault":
            return Judged("held", "its load was kept up whatever happened")
        windows = [w for w in audited.windows if times.from_s <= w.at_s < times.until_s]
        latency = audited.all.latency
        broken = broken_bound(self._ground.plan.slo, latency)
        return judged(self._order.load.rate, windows, audited.halves_ms, sent, broken)

    def _drained(self, audit: AuditFigures) -> Judged:
        if audit.unfinished:
            return Judged("overloaded", f"{audit.unfinished:,} jobs were left when the time was up")
        return Judged("held", "all jobs were drained")

    def _counted(self, audit: AuditFigures) -> CountedFigures:
        counters = self._ground.counters
        found = {each.name: each.finish(audit.final, HEARD_S) for each in counters}
        return CountedFigures(table=audit.final, **found)


def achieved(times: StepTimes, audited: Audited) -> float:
    """Return how many jobs a second were settled in the measured part."""
    settled = [w for w in audited.windows if times.from_s <= w.at_s < times.until_s]
    return sum(w.settled for w in settled) / max(times.until_s - times.from_s, 1e-9)
