"""Run a whole stress test: its place, its processes, its steps one after another, its report."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

from actorq.app import App
from actorq.args.options import Options
from actorq.core.job.policy import KindPolicy
from actorq.errors import ActorqError
from actorq.store.admin.run import run
from actorq.store.enqueue import enqueue
from actorq.store.enqueue.copy_data import Shared
from actorq.stress.core import search as searching
from actorq.stress.core.figures import KneeFigures, StepFigures, StressReport
from actorq.stress.core.plan import StressPlan
from actorq.stress.core.search import Search, Trial
from actorq.stress.core.spread import interval
from actorq.stress.core.verdict import findings, knee_of, slo_figures
from actorq.stress.measure import machine
from actorq.stress.measure.audit import Auditor
from actorq.stress.measure.counting import FinalByPolling
from actorq.stress.measure.manifest import manifest
from actorq.stress.measure.place import StressPlace
from actorq.stress.measure.sampler import Roles, Sampler
from actorq.stress.process import fleet, generators
from actorq.stress.process.fleet import Fleet
from actorq.stress.process.generators import Generators, StepLoad
from actorq.stress.process.notes import NotesReader
from actorq.stress.step import Ground, StepOrder, StepRun

WARM_S = 60.0
LOOK_S = 0.05
CLOSING_S = 3.0
"""What a step takes besides its load: the drain, the audit and the making of its jobs."""


class Programs(NamedTuple):
    """What is started as a supervisor and as a generator."""

    supervisor: Sequence[str] = fleet.PROGRAM
    generator: Sequence[str] = generators.PROGRAM


class StopAsker:
    """Why a test has to end before it is done: a signal, or its time is up."""

    def __init__(self, until: float) -> None:
        self._until = until
        self._asked = ""

    def __call__(self) -> str:
        """Return why, empty if there is no reason."""
        if self._asked:
            return self._asked
        return "the time was up" if self.left_s() <= 0 else ""

    def left_s(self) -> float:
        """Return how much time is left."""
        return self._until - time.monotonic()

    def ask(self, signum: int, frame: FrameType | None) -> None:
        """Note a signal; a second one interrupts whatever is being done."""
        if self._asked:
            raise KeyboardInterrupt
        self._asked = "it was interrupted"

    @contextlib.contextmanager
    def heeded(self) -> Iterator[None]:
        """Heed Ctrl-C and SIGTERM while this is entered."""
        before = {number: signal.signal(number, self.ask) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StressRun:
    """A test on a place that is there."""

    def __init__(
        self,
        place: StressPlace,
        plan: StressPlan,
        tell: Callable[[str], None],
        programs: Programs = Programs(),  # noqa: B008 - it cannot be changed
        begun: float | None = None,
    ) -> None:
        """Run a plan; `begun` is when the test began, by the monotonic clock, if before now."""
        self._place, self._plan, self._tell, self._programs = place, plan, tell, programs
        self._begun = time.monotonic() if begun is None else begun
        self._over = StopAsker(self._begun + plan.max_s)
        self._present: StepOrder | None = None
        self._steps: list[StepFigures] = []
        self._knee: KneeFigures | None = None

    def run(self) -> StressReport:
        """Run all steps, and return what was found; also if it is interrupted."""
        with (
            tempfile.TemporaryDirectory(prefix="actorq-stress-") as directory,
            self._over.heeded(),
            self._place.connect() as conn,
            self._place.connect() as polling,
        ):
            auditor = Auditor(conn, self._place.schema, self._plan)
            told = manifest(conn, self._place, self._disk(), auditor.clock_offset_us())
            ticks = machine.processor_ticks()
            polled = FinalByPolling(polling, self._place.schema)
            with self._ground(Path(directory), conn, auditor, polled) as ground:
                self._all_steps(ground)
            told["steal_share"] = machine.steal_share(ticks, machine.processor_ticks())
            return self._report(told, ground.sampler)

    def _disk(self) -> Path:
        return self._place.server.home if self._place.server else Path(tempfile.gettempdir())

    @contextlib.contextmanager
    def _ground(
        self, directory: Path, conn: Any, auditor: Auditor, polled: FinalByPolling
    ) -> Iterator[Ground]:
        """Yield what steps run on: processes that are started here, and ended afterwards."""
        plan, place = self._plan, self._place
        made = Fleet(plan, place.dsn, place.schema, directory, os.getpid(),
                     self._programs.supervisor)  # fmt: skip
        sending = Generators(plan, place.schema, place.dsn, directory, self._programs.generator)
        roles = Roles(lambda: sending.pids, lambda: made.pids,
                      place.server.pid if place.server else None)  # fmt: skip
        n_actors = sum(k.actors for k in plan.kinds) * sum(s.n for s in plan.supervisors)
        sampler = Sampler(place, roles, NotesReader(made.notes), n_actors,
                          lambda: (self._name(), sending.n_sent, polled.count()))  # fmt: skip
        try:
            yield Ground(plan, place.schema, conn, auditor, sending, made, sampler, (polled,),
                         self._over, self._begun)  # fmt: skip
        finally:
            sampler.stop()
            sending.close()
            made.stop()

    def _name(self) -> str:
        return self._present.name if self._present else ""

    # ---- the steps --------------------------------------------------------------------------

    def _all_steps(self, ground: Ground) -> None:
        ground.sampler.start()
        if self._plan.drain_jobs:
            load = StepLoad(1.0, 0.0, self._plan.drain_jobs)
            self._step(ground, StepOrder("drain", "drain", load, self._plan.seed))
        if not ground.fleet.all:
            ground.fleet.start()
        self._warm_up(ground)
        if self._plan.load:
            self._search(ground, searching.begin(self._plan.load))

    def _search(self, ground: Ground, search: Search) -> None:
        """Run the steps of a search; it ends early where there is no time for another."""
        load = search.load
        while (trial := searching.wanted(search)) is not None and not self._over():
            if self._over.left_s() < load.step_s + CLOSING_S:
                break
            step = self._trial(ground, trial, load.step_s)
            search = searching.advance(search, step.end)
        if not load.rates:
            self._knee = knee_of(search)
            self._tell(self._knee.sentence)

    def _trial(self, ground: Ground, trial: Trial, step_s: float) -> StepFigures:
        seed = self._plan.seed + len(self._steps)
        order = StepOrder(_title(trial, len(self._steps)), trial.role,
                          StepLoad(trial.rate, step_s), seed)  # fmt: skip
        return self._step(ground, order)

    def _step(self, ground: Ground, order: StepOrder) -> StepFigures:
        self._present = order
        try:
            step = StepRun(ground, order).run()
        finally:
            self._present = None
        self._steps.append(step)
        self._tell(line_of(step))
        return step

    def _warm_up(self, ground: Ground) -> None:
        """Send one job of each kind and wait until they are final: all is up then."""
        with App(self._place.dsn, schema=self._place.schema) as app:
            for kind in self._plan.kinds:
                policy = KindPolicy(name=kind.name, queue=kind.queue)
                shared = Shared.of(self._place.schema, policy, Options())
                app.client.do(enqueue.one(shared, b'{"n":0,"g":-1,"t":0}'))
        begun = time.monotonic()
        while not self._over():
            [row] = run(ground.conn, ground.schema, "stress_backlog")
            if not row["due"] + row["leased"]:
                break
            ground.fleet.check()
            if time.monotonic() - begun > WARM_S:
                raise ActorqError(f"no supervisor ran a first job within {WARM_S:g} s")
            time.sleep(LOOK_S)
        ground.auditor.truncate()

    # ---- the report -------------------------------------------------------------------------

    def _report(self, told: dict[str, Any], sampler: Sampler) -> StressReport:
        half = half_knee(self._steps, random.Random(self._plan.seed))
        found = found_of(self._steps, self._knee, half)
        return StressReport(
            plan=self._plan,
            manifest=told,
            steps=self._steps,
            samples=sampler.samples,
            knee=self._knee,
            half_knee=half,
            faults=[],
            slo=slo_figures(self._plan.slo, found),
            findings=findings(self._steps, events_followed=False),
            unseen=sorted(sampler.unseen.values()),
            seconds=round(time.monotonic() - self._begun, 1),
            cut_short=self._over(),
        )


def _title(trial: Trial, n: int) -> str:
    factor = f" ({trial.factor:g} × knee)" if trial.factor else ""
    return f"{n}: {trial.rate:,.0f} jobs/s{factor}"


def line_of(step: StepFigures) -> str:
    """Return one step as a line for the terminal."""
    p50, p99 = step.p("p50_ms"), step.p("p99_ms")
    latency = "" if step.loop == "closed" else f"  p50 {ms(p50)}  p99 {ms(p99)}"
    return (
        f"{step.loop} loop, {step.name}: {step.achieved:,.0f} jobs/s settled{latency}"
        f"  {step.end}: {step.why}"
    )


def ms(value: float | None) -> str:
    """Return milliseconds for people; too few values give none."""
    return "–" if value is None else f"{value:,.1f} ms"


def half_knee(steps: Sequence[StepFigures], rng: random.Random) -> dict[str, Any]:
    """Return the figures at half of the knee: the medians of its repeats, with their intervals."""
    repeats = [s for s in steps if s.role == "curve" and "(0.5 × knee)" in s.name]
    steady = [s for s in repeats if s.end in ("held", "overloaded")]
    made: dict[str, Any] = {"n": len(steady), "rate": steady[0].rate if steady else None}
    for name in ("p50_ms", "p99_ms"):
        values = [value for s in steady if (value := s.p(name)) is not None]
        made[name] = round(statistics.median(values), 3) if values else None
        made[f"{name}_interval"] = interval(values, rng)
    return made


def found_of(
    steps: Sequence[StepFigures], knee: KneeFigures | None, half: dict[str, Any]
) -> dict[str, float | None]:
    """Return what bounds of the SLO are compared with.

    Latency is that at half of the knee where a knee was searched for; else the worst of all steps.
    """
    audits = [step.audit for step in steps]
    made: dict[str, float | None] = {
        "lost": sum(a.lost for a in audits),
        "duplicates": sum(a.duplicates for a in audits),
        "failed": sum(a.failed for a in audits),
        "knee_jobs_per_s": knee.rate if knee and not knee.generator_limited else None,
    }
    drains = [step.achieved for step in steps if step.loop == "closed" and step.end == "held"]
    made["drain_jobs_per_s"] = max(drains, default=None)
    chosen = [s for s in steps if s.loop == "open" and s.latency is not None]
    if knee is not None:
        chosen = [s for s in chosen if s.role == "curve" and "(0.5 × knee)" in s.name]
    for name in ("p50_ms", "p90_ms", "p99_ms", "p999_ms"):
        made[name] = max((v for s in chosen if (v := s.p(name)) is not None), default=None)
    if knee is not None:
        made |= {name: half[name] for name in ("p50_ms", "p99_ms")}
    made["max_ms"] = max((s.latency.max_ms for s in chosen if s.latency), default=None)
    return made
