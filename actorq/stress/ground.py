"""What the steps of a test run on: processes and sessions, started once and ended at the end."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from actorq.app import App
from actorq.args.options import Options
from actorq.core.job.policy import KindPolicy
from actorq.errors import ActorqError, ConfigError
from actorq.store.enqueue import enqueue
from actorq.store.enqueue.copy_data import Shared
from actorq.stress.core.figures import INTERRUPTED, TIME_UP
from actorq.stress.core.plan import StressPlan
from actorq.stress.measure.audit import Auditor
from actorq.stress.measure.counting import FinalByPolling, FinalJobs
from actorq.stress.measure.looks import LookSession
from actorq.stress.measure.place import StressPlace
from actorq.stress.measure.sampler import Roles, Sampler
from actorq.stress.process import fleet, generators
from actorq.stress.process.fleet import Fleet
from actorq.stress.process.follower import FinalByEvents
from actorq.stress.process.generators import Generators
from actorq.stress.process.notes import NotesReader

TAKE_S = RUN_S = 60.0
"""How long supervisors may need to take the first jobs, and those to run."""

LOOK_S = 0.05
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Programs(NamedTuple):
    """What is started as a supervisor and as a generator."""

    supervisor: Sequence[str] = fleet.PROGRAM
    generator: Sequence[str] = generators.PROGRAM


class StopAsker:
    """Why a test has to end before it is done: a signal, a failure, or its time is up."""

    def __init__(self, until: float) -> None:
        self._until = until
        self.asked = ""

    def __call__(self) -> str:
        """Return why, empty if there is no reason."""
        if self.asked:
            return self.asked
        return TIME_UP if self.left_s() <= 0 else ""

    def left_s(self) -> float:
        """Return how much time is left."""
        return self._until - time.monotonic()

    def ask(self, signum: int, frame: FrameType | None) -> None:
        """Note a signal; a second one interrupts whatever is being done."""
        if self.asked == INTERRUPTED:
            raise KeyboardInterrupt
        self.asked = INTERRUPTED

    @contextlib.contextmanager
    def heeded(self) -> Iterator[None]:
        """Heed Ctrl-C and SIGTERM while this is entered."""
        before = {number: signal.signal(number, self.ask) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


class Ground(NamedTuple):
    """Everything that a step runs on."""

    place: StressPlace
    plan: StressPlan
    looks: LookSession
    auditor: Auditor
    generators: Generators
    fleet: Fleet
    sampler: Sampler
    counters: tuple[FinalJobs, ...]
    is_over: StopAsker
    begun: float  # of the whole test, monotonic


@contextlib.contextmanager
def grounded(
    place: StressPlace,
    plan: StressPlan,
    programs: Programs,
    directory: Path,
    is_over: StopAsker,
    begun: float,
    name: Callable[[], str],
) -> Iterator[Ground]:
    """Yield what steps run on; supervisors are started by the first step. `name` is the step's."""
    check_installed(plan)
    with contextlib.ExitStack() as stack:
        auditor = Auditor(place, plan)
        stack.callback(auditor.close)
        polled = FinalByPolling(place)
        stack.callback(polled.close)
        looks = stack.enter_context(LookSession(place))
        made = Fleet(plan, place.dsn, place.schema, directory, os.getpid(), programs.supervisor)
        stack.callback(made.stop)
        sending = Generators(plan, place.schema, place.dsn, directory, programs.generator)
        stack.callback(sending.close)
        followed = FinalByEvents(place.dsn, place.schema, directory)
        stack.callback(followed.close)
        roles = Roles(
            lambda: sending.pids,
            lambda: made.pids,
            lambda: place.server.pid if place.server else None,
            lambda: [followed.child.pid],
        )
        progress = partial(_progress, name, sending, polled)
        notes = NotesReader(made.notes)
        sampler = Sampler(place, roles, notes, n_actors(plan), begun, progress)
        sampler.start()
        stack.callback(sampler.stop)
        yield Ground(
            place, plan, looks, auditor, sending, made, sampler, (polled, followed), is_over, begun
        )


def _progress(
    name: Callable[[], str], sending: Generators, polled: FinalByPolling
) -> tuple[str, int, int]:
    """Return the present step, and how many jobs it has sent and settled."""
    return name(), sending.n_sent, polled.count()


def check_installed(plan: StressPlan) -> None:
    """Raise ConfigError if a handler needs what is not installed."""
    if any(kind.work.form == "numpy" for kind in plan.kinds) and find_spec("numpy") is None:
        raise ConfigError("work.form = 'numpy' needs numpy: pip install numpy, or use spin")


def n_actors(plan: StressPlan) -> int:
    """Return how many actors all supervisors have together."""
    return sum(
        serving.n * kind.actors
        for serving in plan.supervisors
        for kind in plan.kinds
        if not serving.queues or kind.queue in serving.queues
    )


def warm_up(ground: Ground) -> None:
    """Send one job of each kind and wait until they are final: all is up then.

    Raises ActorqError if that takes too long.
    """
    place = ground.place
    for counter in ground.counters:
        counter.begin()
    with App(place.dsn, schema=place.schema) as app:
        for kind in ground.plan.kinds:
            policy = KindPolicy(name=kind.name, queue=kind.queue)
            shared = Shared.of(place.schema, policy, Options())
            app.client.do(enqueue.one(shared, b'{"n":0,"g":-1,"t":0}'))
    _await_first(ground)
    for counter in ground.counters:  # or what is heard of late would belong to the first step
        counter.finish(len(ground.plan.kinds), RUN_S)
    ground.auditor.truncate()


def _await_first(ground: Ground) -> None:
    """Wait until the first jobs are taken, and then until they are final."""
    since, is_taken = time.monotonic(), False
    while not ground.is_over():
        row = ground.looks.one("stress_backlog")
        if not row["due"] + row["leased"]:
            return
        ground.fleet.check()
        now = time.monotonic()
        if row["leased"] and not is_taken:
            since, is_taken = now, True
        if now - since > (RUN_S if is_taken else TAKE_S):
            raise ActorqError(_never_warm(is_taken))
        time.sleep(LOOK_S)


def _never_warm(is_taken: bool) -> str:
    if is_taken:
        return (
            f"the first jobs were still running after {RUN_S:g} s: a handler that takes so long "
            "cannot be measured; lower work.call_ms, work.job_ms or batch_timeout_s in the plan"
        )
    return f"no supervisor took a first job within {TAKE_S:g} s"
