"""Handlers that fork, and let the child come back out of them or raise."""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from typing import Any

HOW = ("returns", "raises", "exits")


def note(text: str) -> None:
    """Write down what was done; a line per deed, whoever does it."""
    with open(os.environ["EXTRA"], "a") as file:
        file.write(f"{text} {os.getpid()}\n")


def fork(how: str, *, and_wait: bool = True) -> int:
    """Fork; the child does what is told. Returns its exit code in the parent, −1 in the child."""
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) if and_wait else pid
    if how == "raises":
        raise RuntimeError("the child raises")
    if how == "exits":
        raise SystemExit(3)
    return -1


def each(what: Any) -> Any:
    note(f"each {what}")
    return fork(what) if what in HOW else what


async def each_async(what: Any) -> Any:
    return each(what)


def marked(batch: Any) -> None:
    for job in batch:
        job.done(each(job.args))


def whole(batch: Any) -> list[Any]:
    return [each(what) for what in batch.args]


class Marked:
    def handle(self, batch: Any) -> list[Any]:
        return whole(batch)


class ForkedInSetup:
    def setup(self) -> None:
        self.code = fork(os.environ["HOW"])

    def handle(self, batch: Any) -> list[Any]:
        note("handle")
        return [self.code for _ in batch.args]


class ForkedInTeardown:
    def handle(self, batch: Any) -> None: ...

    def teardown(self) -> None:
        fork(os.environ["HOW"])
        note("teardown")


def square(x: int) -> int:
    return x * x


def pools(batch: Any) -> list[Any]:
    """Use the standard library's pools, forked and spawned."""
    found = []
    for method in batch.args:
        context = multiprocessing.get_context(method)
        with ProcessPoolExecutor(2, context) as executor, context.Pool(2) as pool:
            found.append([*executor.map(square, range(4)), *pool.map(square, range(4))])
    return found
