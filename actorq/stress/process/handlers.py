"""The app that supervisors under stress run: the kinds of a plan, with handlers that act it out.

The plan is read from the file that ACTORQ_STRESS_PLAN names, by the supervisor and by each actor.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from actorq.actor.context import Batch, Job
from actorq.app import App
from actorq.stress.core.plan import StressKind, StressPlan, WorkCost
from actorq.stress.process.notes import Notes

PLAN = "ACTORQ_STRESS_PLAN"
NOTES = "ACTORQ_STRESS_NOTES"
PARENT = "ACTORQ_STRESS_PARENT"

RETRY_S = 0.05
"""How soon a job that failed runs again: a test has no time to wait."""

HANG_S = 5.0
"""How much longer than it may a job hangs; it is ended before."""

CRASHES = 2
"""How many crashes a job may have: its second one, alone, is proof enough."""

ALIVE_EVERY_S = 1.0


class StressArgs(msgspec.Struct, rename={"number": "n", "due_us": "t", "fate": "x", "text": "p"}):
    """The args of a job: who sent it, as which of its jobs, when it is due, what becomes of it."""

    number: int
    g: int
    due_us: int
    fate: str = ""
    text: str = ""


def app_of(plan: StressPlan) -> App:
    """Return an app with a plan's kinds."""
    made = App()
    for kind in plan.kinds:
        made.actor(
            kind.name,
            queue=kind.queue,
            max_batch=kind.max_batch,
            actors=kind.actors,
            max_attempts=kind.max_attempts,
            crash_budget=CRASHES,
            retry=RETRY_S,
            batch_timeout_s=kind.batch_timeout_s,
            store_results=kind.result_bytes > 0,
        )(handler_of(kind))
    return made


def handler_of(kind: StressKind) -> type:
    """Return the handler of a kind, as a class of its own."""

    class StressHandler:
        """A handler that works, fails, crashes and hangs as its plan and the jobs say."""

        def setup(self, slot: int) -> None:
            """Open the notes, and make what the work needs."""
            self.notes = Notes(Path(os.environ[NOTES]))
            self.work = work_of(kind.work, random.Random(os.getpid()))

        def handle(self, batch: Batch[StressArgs]) -> list[str | None] | None:
            """Run a batch, and note it."""
            begun = time.time()
            fated = [job for job in batch.jobs if job.args.fate] if _any_fate(batch) else []
            self.work(len(batch))
            for job in fated:
                meet_fate(job, kind)
            self.notes.add(begun, time.time(), batch.ids)
            return results_of(batch, kind, {job.id for job in fated})

        def teardown(self) -> None:
            """Close the notes."""
            self.notes.close()

    return StressHandler


def _any_fate(batch: Batch[StressArgs]) -> bool:
    return any(args.fate for args in batch.args)


def meet_fate(job: Job[StressArgs], kind: StressKind) -> None:
    """Fail, crash or hang, as the job is to."""
    if job.args.fate == "f":
        job.retry(RETRY_S, "as planned")
        return
    job.begin()
    if job.args.fate == "c":
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(kind.batch_timeout_s + HANG_S)


def results_of(
    batch: Batch[StressArgs], kind: StressKind, fated: set[int]
) -> list[str | None] | None:
    """Return the results of a batch, None if its kind has none."""
    if not kind.result_bytes:
        return None
    made = [result_of(args.number, kind.result_bytes) for args in batch.args]
    if not fated:
        return list(made)
    for job, result in zip(batch.jobs, made, strict=True):
        if job.id not in fated:
            job.done(result)
    return None


def result_of(number: int, n_bytes: int) -> str:
    """Return the result of a job: its number, which the audit expects."""
    return f"{number:0{n_bytes - 2}x}"


def work_of(cost: WorkCost, rng: random.Random) -> Callable[[int], None]:
    """Return what a call does with n jobs."""
    if cost.form == "noop":
        return lambda n: None
    act = ACTS[cost.form]()
    mean = -(cost.sigma**2) / 2  # such that the lognormal factor is 1 on average

    def work(n: int) -> None:
        factor = rng.lognormvariate(mean, cost.sigma) if cost.sigma else 1.0
        act((cost.call_ms + cost.job_ms * n) / 1000 * factor)

    return work


def _spinning() -> Callable[[float], None]:
    def spin(seconds: float) -> None:
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            pass

    return spin


def _sleeping() -> Callable[[float], None]:
    return time.sleep


def _multiplying() -> Callable[[float], None]:
    import numpy as np

    matrix = np.ones((64, 64), dtype=np.float32)

    def multiply(seconds: float) -> None:
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            matrix @ matrix

    return multiply


ACTS = {"spin": _spinning, "sleep": _sleeping, "numpy": _multiplying}


def leave_with(parent: int) -> None:
    """Stop this supervisor when the stress test that started it is gone."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(ALIVE_EVERY_S)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="stress parent", daemon=True).start()


def __getattr__(name: str) -> App:
    """Return `app`, made when it is asked for: other processes import this for its functions."""
    if name != "app":
        raise AttributeError(name)
    plan = msgspec.json.decode(Path(os.environ[PLAN]).read_bytes(), type=StressPlan)
    globals()["app"] = made = app_of(plan)
    if os.environ.get(PARENT) == str(os.getppid()):
        leave_with(os.getppid())
    return made
