"""The handlers of the torture run: they act as the job's number says, and write it down."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import msgspec

import actorq
from actorq.actor import adapters
from tests.torture import clock
from tests.torture.history import SUPERVISOR, Writer
from tests.torture.workload import CRASH_BUDGET, MAX_ATTEMPTS, Workload

DIRECTORY = Path(os.environ.get("TORTURE_DIRECTORY", "."))
WORK = Workload(
    int(os.environ.get("TORTURE_SEED", "0")), float(os.environ.get("TORTURE_DEATHS", "1"))
)
ACTORS = int(os.environ.get("TORTURE_ACTORS", "1"))
RETRY = actorq.exponential(base_s=0.1, factor=2.0, cap_s=0.5)
TIMEOUT_S = 5.0


if "TORTURE_SEED" in os.environ:  # supervisors, actors and enqueuers all import this module
    clock.skew(WORK.seed)


class Numbered(msgspec.Struct):
    n: int


app = actorq.App()
_log: Writer | None = None
_lease = 0


def log() -> Writer:
    """Return this process's history; only a process that runs a job makes one."""
    global _log
    if _log is None:
        _log = Writer(DIRECTORY, "exec")
        _log.write("actor", os.getpid(), int(os.environ[SUPERVISOR]))
    return _log


def first_time(n: int) -> bool:
    """Tell, over all processes, whether this was never asked of the job before."""
    try:
        os.close(os.open(DIRECTORY / "once" / str(n), os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    except FileExistsError:
        return False
    return True


def act(n: int) -> Any:
    """Do what the job does; returns its result or outcome."""
    match WORK.behaviour(n):
        case "plain":
            return None
        case "sleep":
            time.sleep(WORK.draw(n, "nap", 20) / 1000)
        case "raise_once" if first_time(n):
            raise RuntimeError(f"job {n} raises once")
        case "raise_always":
            raise RuntimeError(f"job {n} always raises")
        case "retry_once" if first_time(n):
            return actorq.retry(0.05, f"job {n} asks for another try")
        case "snooze" if first_time(n):
            return actorq.snooze(0.1, "not now")
        case "fail":
            return actorq.fail("wanted")
        case "cancel_self":
            return actorq.cancel("wanted")
        case "bad_result":
            return object() if WORK.draw(n, "bad", 2) else "a\0b"
        case "crash_once" if first_time(n):
            die(n)
        case "poison":
            die(n)
        case "hang_once" if first_time(n):
            while True:
                time.sleep(1)
        case "family" if first_time(n):
            start_family()
        case "fork" if first_time(n):
            fork(n)
    return WORK.result(n)


def start_family() -> None:
    """Start processes that nobody waits for: a child, and orphans in sessions of their own."""
    subprocess.Popen(["sleep", "1000"], start_new_session=True)
    subprocess.run(["sh", "-c", "setsid sleep 1000 & setsid sh -c 'sleep 1000; :' &"], check=True)


def fork(n: int) -> None:
    """Fork a process that comes out of its handler, and wait for its end."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)
    elif WORK.draw(n, "out", 2):
        raise RuntimeError(f"the process forked by job {n} raises")


def die(n: int) -> None:
    """End this process in one of the ways that leave no time for a word."""
    way = WORK.draw(n, "death", 3)
    if way == 0:
        os._exit(0)
    os.kill(os.getpid(), signal.SIGKILL if way == 1 else signal.SIGSEGV)
    time.sleep(60)


def recorded(lease: int, n: int) -> Any:
    """Act, and write down when that began and ended."""
    log().write("s", lease, [n])
    actor = os.getpid()
    try:
        return act(n)
    finally:
        if os.getpid() == actor:  # and not one that was forked: this is the actor's history
            log().write("e", lease, [n])


_handle = adapters.JobAdapter.handle


def _remembering(self: adapters.JobAdapter, batch: actorq.Batch[Any]) -> None:
    """Remember the lease: a function of one job's args is not told about its batch."""
    global _lease
    _lease = batch._work.lease
    _handle(self, batch)


adapters.JobAdapter.handle = _remembering  # type: ignore[method-assign]


@app.actor(
    "each", max_batch=50, actors=ACTORS, max_attempts=MAX_ATTEMPTS, crash_budget=CRASH_BUDGET,
    retry=RETRY, batch_timeout_s=TIMEOUT_S,
)  # fmt: skip
def each(n: int) -> Any:
    return recorded(_lease, n)


@app.actor(
    "whole", max_batch=200, actors=ACTORS, max_attempts=MAX_ATTEMPTS, crash_budget=CRASH_BUDGET,
    retry=RETRY, batch_timeout_s=TIMEOUT_S,
)  # fmt: skip
def whole(batch: actorq.Batch[Numbered]) -> list[Any]:
    lease, ns = batch._work.lease, [args.n for args in batch.args]
    log().write("s", lease, ns)
    try:
        return [act(n) for n in ns]
    finally:
        log().write("e", lease, ns)


@app.actor(
    "stream", max_batch=100, actors=ACTORS, max_attempts=MAX_ATTEMPTS, crash_budget=CRASH_BUDGET,
    retry=RETRY, batch_timeout_s=TIMEOUT_S,
)  # fmt: skip
class Stream:
    def handle(self, batch: actorq.Batch[Numbered]) -> None:
        for job in batch:
            self.tell(job, recorded(batch._work.lease, job.args.n))

    def tell(self, job: actorq.Job[Numbered], said: Any) -> None:
        match said:
            case actorq.Retry(after_s, reason):
                job.retry(after_s, reason)
            case actorq.Snooze(after_s, reason):
                job.snooze(after_s, reason)
            case actorq.Fail(reason):
                job.fail(reason)
            case actorq.Cancel(reason):
                job.cancel(reason)
            case _:
                job.done(said)
