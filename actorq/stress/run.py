"""Run a whole stress test: its steps one after another, and the report."""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from actorq.errors import ActorqError
from actorq.stress.core import search as searching
from actorq.stress.core.figures import FaultFigures, KneeFigures, StepFigures, StressReport
from actorq.stress.core.found import found_of, half_knee, line_of
from actorq.stress.core.plan import StressPlan
from actorq.stress.core.search import Search, Trial
from actorq.stress.core.verdict import findings, knee_of, slo_figures
from actorq.stress.faults import FaultRefused, with_fault
from actorq.stress.ground import Ground, Programs, StopAsker, grounded, warm_up
from actorq.stress.measure import machine
from actorq.stress.measure.manifest import manifest
from actorq.stress.measure.place import StressPlace
from actorq.stress.process.generators import StepLoad
from actorq.stress.step import StepOrder, StepRun

CLOSING_S = 3.0
"""What a step takes besides its load: the drain, the audit and the making of its jobs."""

PROGRAMS = Programs()
DISK = Path(tempfile.gettempdir())


class StressRun:
    """A test on a place that is there."""

    def __init__(
        self,
        place: StressPlace,
        plan: StressPlan,
        tell: Callable[[str], None],
        programs: Programs = PROGRAMS,
        begun: float | None = None,
        label: str = "",
    ) -> None:
        """Run a plan; `begun` is when the test began, by the monotonic clock, if before now.

        `label` stands before the names of its steps.
        """
        self._label = f"{label} " if label else ""
        self._place, self._plan, self._tell, self._programs = place, plan, tell, programs
        self._begun = time.monotonic() if begun is None else begun
        self._over = StopAsker(self._begun + plan.max_s)
        self._present = ""
        self._steps: list[StepFigures] = []
        self._faults: list[FaultFigures] = []
        self._knee: KneeFigures | None = None
        self._said: list[str] = []

    def run(self) -> StressReport:
        """Run all steps, and return what was found; also if it is interrupted or cannot go on.

        Raises ActorqError if it could not even begin.
        """
        ticks = machine.processor_ticks()
        with (
            tempfile.TemporaryDirectory(prefix="actorq-stress-") as directory,
            self._over.heeded(),
            grounded(
                self._place, self._plan, self._programs, Path(directory), self._over, self._begun,
                lambda: self._present,
            ) as ground,
        ):  # fmt: skip
            disk = self._place.server.home if self._place.server else DISK
            offset_us = ground.auditor.clock_offset_us()
            told = manifest(ground.looks.conn, self._place, disk, offset_us)
            self._run_steps(ground)
            told["steal_share"] = machine.steal_share(ticks, machine.processor_ticks())
            return self._report(told, ground)

    def _run_steps(self, ground: Ground) -> None:
        """Run all steps; an error ends the test, but what was found before is reported."""
        try:
            self._all_steps(ground)
        except ActorqError as error:
            if not self._steps:
                raise
            self._over.asked = f"it could not go on: {error}"
            self._tell(self._over.asked)

    def _all_steps(self, ground: Ground) -> None:
        if self._plan.drain_jobs:
            at_once = StepLoad(1.0, 0.0, self._plan.drain_jobs)
            self._step(ground, StepOrder(f"{self._label}drain", "drain", at_once, self._plan.seed))
        if not ground.fleet.all and not self._over():
            ground.fleet.start()
        warm_up(ground)
        if load := self._plan.bounded_load:
            self._search(ground, searching.begin(load))
        for fault in self._plan.faults:
            if self._over.left_s() > self._plan.fault_s + CLOSING_S and not self._over():
                self._fault(ground, fault)

    def _search(self, ground: Ground, search: Search) -> None:
        """Run the steps of a search; it ends early where there is no time for another."""
        load = search.load
        while (trial := searching.wanted(search)) is not None and not self._over():
            if self._over.left_s() < load.step_s + CLOSING_S:
                self._said.append("Not all steps of the search were run: the time was up.")
                break
            step = self._trial(ground, trial, load.step_s)
            search = searching.advance(search, step.end)
        if not load.rates:
            self._knee = knee_of(search)
            self._tell(self._knee.sentence)

    def _trial(self, ground: Ground, trial: Trial, step_s: float) -> StepFigures:
        n = len(self._steps)
        name, load = self._label + _title(trial, n), StepLoad(trial.rate, step_s)
        return self._step(ground, StepOrder(name, trial.role, load, self._plan.seed + n))

    def _step(self, ground: Ground, order: StepOrder) -> StepFigures:
        self._present = order.name
        return self._done(StepRun(ground, order).run())

    def _done(self, step: StepFigures) -> StepFigures:
        self._present = ""
        self._steps.append(step)
        self._tell(line_of(step))
        return step

    def _fault(self, ground: Ground, name: Any) -> None:
        self._present = name
        try:
            step, figures = with_fault(ground, name, len(self._steps))
        except FaultRefused as refused:
            self._said.append(f"The fault {name} was not made: {refused}")
            ground.auditor.truncate()
            return
        self._faults.append(figures)
        self._done(step)

    # ---- the report -------------------------------------------------------------------------

    def _report(self, told: dict[str, Any], ground: Ground) -> StressReport:
        half = half_knee(self._steps, random.Random(self._plan.seed))
        is_woken = not any(serving.poll_only for serving in self._plan.supervisors)
        found = found_of(self._steps, self._knee, half)
        return StressReport(
            plan=self._plan,
            manifest=told,
            steps=self._steps,
            samples=ground.sampler.samples,
            knee=self._knee,
            half_knee=half,
            faults=self._faults,
            slo=slo_figures(self._plan.slo, found),
            findings=[*findings(self._steps, is_woken), *self._said],
            unseen=sorted(ground.sampler.unseen.values()),
            seconds=round(time.monotonic() - self._begun, 1),
            cut_short=self._over(),
        )


def _title(trial: Trial, n: int) -> str:
    factor = f" ({trial.factor:g} × knee)" if trial.factor else ""
    return f"{n}: {trial.rate:,.0f} jobs/s{factor}"
