"""Faults that are made on purpose in the middle of a step, and what each costs."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
from collections.abc import Callable
from typing import NamedTuple

import msgspec
import psycopg

from actorq.errors import ActorqError
from actorq.stress.core.figures import FaultFigures, StepFigures
from actorq.stress.core.plan import FaultName
from actorq.stress.core.recovery import recovered_s, recovery_text
from actorq.stress.ground import Ground
from actorq.stress.measure.machine import children_of
from actorq.stress.process.generators import StepLoad
from actorq.stress.step import StepOrder, StepRun

FAULT_AT = 0.3
"""After which share of a step the fault comes: what was usual before is known by then."""

N_IDLE = 300
STOPPED_S = 30.0


class FaultKind(NamedTuple):
    """A fault: what it is in words, and how it is made; what it opens is closed after the step."""

    what: str
    make: Callable[[Ground, contextlib.ExitStack], None]


class FaultRefused(ActorqError):
    """A fault that cannot be made here; the message says why."""


def kill_actor(ground: Ground, stack: contextlib.ExitStack) -> None:
    """Kill an actor that has run a batch."""
    names = [path.name.removeprefix("ran-") for path in ground.fleet.notes.glob("ran-*")]
    below = {pid for pids in children_of(ground.fleet.pids).values() for pid in pids}
    alive = sorted(below & {int(name) for name in names})
    if not alive:
        raise FaultRefused("no actor was found: /proc tells nothing here")
    os.kill(random.Random(0).choice(alive), signal.SIGKILL)


def kill_supervisor(ground: Ground, stack: contextlib.ExitStack) -> None:
    """Kill a supervisor, and start another at once, as a service manager does."""
    ground.fleet.all[0].kill()
    ground.fleet.restart_dead()


def kill_backend(ground: Ground, stack: contextlib.ExitStack) -> None:
    """End all server processes of the supervisors' connections, but no other's."""
    rows = ground.looks.run("stress_end_backends")
    if not rows:
        raise FaultRefused("no connection of a supervisor was found to be ended")


def restart_server(ground: Ground, stack: contextlib.ExitStack) -> None:
    """Stop the server as an administrator does, and start it again."""
    server = ground.place.server
    if server is None:
        raise FaultRefused("only a server of the test's own may be restarted: use --embedded")
    with server.locked():
        server.stop()
    server.ensure()


def hold_snapshot(ground: Ground, stack: contextlib.ExitStack) -> None:
    """Hold a snapshot until the end of the step, as a forgotten transaction does."""
    conn = stack.enter_context(psycopg.connect(ground.place.dsn))
    conn.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    conn.execute("SELECT count(*) FROM pg_catalog.pg_class")


def open_idle(ground: Ground, stack: contextlib.ExitStack) -> None:
    """Open 300 connections that do nothing, and keep them until the end of the step."""
    held: list[psycopg.Connection[object]] = []
    failed: list[psycopg.Error] = []

    def connect() -> None:
        try:
            for _ in range(N_IDLE):
                held.append(psycopg.connect(ground.place.dsn, autocommit=True))
        except psycopg.Error as error:
            failed.append(error)

    thread = threading.Thread(target=connect, name="idle connections", daemon=True)
    thread.start()

    def close() -> None:
        thread.join(STOPPED_S)
        for conn in held:
            conn.close()
        if failed:
            raise FaultRefused(f"{len(held)} idle connections were opened, then: {failed[0]}")

    stack.callback(close)


FAULTS: dict[FaultName, FaultKind] = {
    "kill_actor": FaultKind("an actor is killed", kill_actor),
    "kill_supervisor": FaultKind("a supervisor is killed, and started again", kill_supervisor),
    "kill_backend": FaultKind("the supervisors' connections are ended", kill_backend),
    "restart_server": FaultKind("the server is restarted", restart_server),
    "held_snapshot": FaultKind("a snapshot is held", hold_snapshot),
    "idle_connections": FaultKind(f"{N_IDLE} idle connections are opened", open_idle),
}


def with_fault(ground: Ground, name: FaultName, n: int) -> tuple[StepFigures, FaultFigures]:
    """Run a step with a fault in its middle; raises FaultRefused if it cannot be made here."""
    plan, fault = ground.plan, FAULTS[name]
    # A fault may keep jobs from being sent for a while; none of them is to be skipped.
    load = StepLoad(plan.fault_rate, plan.fault_s, skip_after_s=plan.fault_s)
    order = StepOrder(f"{n}: {fault.what}", "fault", load, plan.seed + n)
    with contextlib.ExitStack() as stack:
        injection = Injection(lambda: fault.make(ground, stack), FAULT_AT * plan.fault_s)
        step = StepRun(ground, order).run(injection)
    made_at = injection.made_at or order.load.seconds
    back_s = recovered_s(step.windows, made_at, step.seconds, plan.fault_rate)
    step = msgspec.structs.replace(step, fault_at_s=round(made_at, 2), why=recovery_text(back_s))
    audit = step.audit
    return step, FaultFigures(
        fault=name,
        what=fault.what,
        at_s=round(made_at, 2),
        recovered_s=back_s,
        lost=audit.lost,
        ran_again=audit.ran_again,
        unfinished=audit.unfinished,
        doubtful=step.sent.doubtful if step.sent else 0,
        worst_ms=step.worst_ms,
    )


class Injection:
    """A fault that is made once, when its time has come."""

    def __init__(self, make: Callable[[], None], at_s: float) -> None:
        self._make, self._at_s = make, at_s
        self.made_at: float | None = None

    def __call__(self, elapsed: float) -> None:
        """Make the fault if it is time."""
        if self.made_at is None and elapsed >= self._at_s:
            self.made_at = elapsed
            self._make()
