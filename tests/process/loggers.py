"""Handlers that log, however they have configured it, and what their records then know."""

from __future__ import annotations

import asyncio
import logging
import logging.config
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import actorq
from actorq.logs import CONTEXT

log = logging.getLogger("mine")


class Keep(logging.Handler):
    """Keep what each record knows about where it was made."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[list[Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        found = [getattr(record, name, "missing") for name in CONTEXT]
        self.seen.append([record.getMessage(), *found])


def factory(*args: Any, **more: Any) -> logging.LogRecord:
    """Be a user's own record factory."""
    made = logging.LogRecord(*args, **more)
    made.msg = f"own {made.msg}"
    return made


class OwnLogger(logging.Logger):
    """A class of loggers that makes its records without the factory."""

    def makeRecord(self, name: str, level: int, fn: str, lno: int, msg: Any, args: Any,
                   exc_info: Any, *_: Any, **__: Any) -> logging.LogRecord:  # fmt: skip
        return logging.LogRecord(name, level, fn, lno, f"own {msg}", args, exc_info)


def configure(how: str) -> None:
    """Configure logging as some handler may."""
    if how == "dictConfig":
        silent = {"class": "logging.NullHandler"}
        root = {"level": "INFO", "handlers": ["silent"]}
        logging.config.dictConfig({"version": 1, "handlers": {"silent": silent}, "root": root})
        log.disabled = False
    elif how == "factory":
        logging.setLogRecordFactory(factory)
    elif how == "logger class":
        log.__class__ = OwnLogger


class PerJob:
    """Log in all places, after the configuration that the first job names."""

    def setup(self) -> None:
        self.keep = Keep()
        log.addHandler(self.keep)
        log.setLevel(logging.INFO)
        log.info("setup")

    def handle_one(self, how: str) -> Any:
        configure(how)
        if self.keep not in log.handlers:
            log.addHandler(self.keep)
        log.info("job")
        for name, call in (("thread", log.info), ("copy", copy_context().run)):
            args = (name,) if name == "thread" else (log.info, name)
            thread = threading.Thread(target=call, args=args)
            thread.start()
            thread.join()
        return self.keep.seen


def marked(batch: actorq.Batch[str]) -> None:
    """Log before, within and after a loop that marks jobs."""
    keep = Keep()
    log.addHandler(keep)
    log.setLevel(logging.INFO)
    log.info("before")
    for job in batch:
        job.done("early")
        log.info(job.args)
    log.info("after")
    batch[0].begin()
    log.info("begun")
    raise RuntimeError(repr(keep.seen))


WORKER = ThreadPoolExecutor(1)


def stopped_in_a_thread(batch: actorq.Batch[str]) -> list[Any]:
    """Do it all in a thread that outlives the batch."""
    return WORKER.submit(stopped_early, batch).result()


def stopped_early(batch: actorq.Batch[str]) -> list[Any]:
    """Leave the loop, with its job still running, and log in the next batch before a loop."""
    keep = Keep()
    log.addHandler(keep)
    log.setLevel(logging.INFO)
    log.info("first")
    for _ in batch:
        break
    return [keep.seen for _ in range(len(batch))]


BOTH = 2
started = 0


async def at_once(name: str) -> Any:
    """Log while the other job runs, too."""
    global started
    keep = Keep()
    own = logging.getLogger(f"mine.{name}")
    own.addHandler(keep)
    own.setLevel(logging.INFO)
    started += 1
    while started < BOTH:
        await asyncio.sleep(0)
    own.info(name)
    await asyncio.sleep(0)
    await asyncio.create_task(_later(own, name))
    return keep.seen


async def _later(own: logging.Logger, name: str) -> None:
    own.info("%s's task", name)


def says(what: str) -> None:
    """Say something in a way that is hard to read."""
    match what:
        case "error":
            try:
                raise ValueError("two\nlines")
            except ValueError:
                log.exception("it\nfailed", extra={"page": 3, "job": "theirs", "odd": {1}})
        case "long":
            print("x" * 200_000)
            log.warning("y" * 200_000)
        case "bytes":
            import os

            os.write(1, b"caf\xe9 \xff\n")
        case "print_exc":
            import traceback

            try:
                raise ValueError("printed")
            except ValueError:
                traceback.print_exc()
