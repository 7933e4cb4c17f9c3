"""Log records of an actor: each knows its job, and leaves for the supervisor as one line.

A handler may configure logging as it likes: replace all handlers, formats, the record factory or
the class of loggers, and do so at any time. Whatever makes a record, it is `Logger.handle` that
passes it on to filters and handlers, so that is where the context is added.
"""

from __future__ import annotations

import logging
from typing import Any

from actorq.actor.context import Job, marked, running
from actorq.actor.texts import ends, head
from actorq.logs import extra_of, traceback_of
from actorq.pipe.logline import LogLine, encoded

MAX_MESSAGE, MAX_EXC = 8 * 1024, 16 * 1024
"""How many bytes of a record's text and of its traceback are sent."""


class Place:
    """What this process runs: the same for all its threads, so also for those of a handler."""

    def __init__(self) -> None:
        self.kind: str | None = None
        self.batch: int | None = None


here = Place()


def know_jobs(kind: str) -> None:
    """Add the context to every log record of this process from now on."""
    here.kind = kind
    handle = logging.Logger.handle

    def with_context(self: logging.Logger, record: logging.LogRecord) -> None:
        add_context(record)
        handle(self, record)

    logging.Logger.handle = with_context  # type: ignore[method-assign]


def add_context(record: logging.LogRecord) -> None:
    """Set the attributes that say which kind, batch and job a record belongs to.

    A user's own attributes of these names stay, and so does what another process has set.
    """
    job = _job()
    fields = record.__dict__
    fields.setdefault("actorq_kind", here.kind)
    fields.setdefault("actorq_batch", here.batch if job is None else job._lease)
    fields.setdefault("actorq_job", None if job is None else job.id)
    fields.setdefault("actorq_attempt", None if job is None else job.attempt)


def _job() -> Job[Any] | None:
    """Return the job that runs here, in this thread or asyncio task, if that is known.

    A thread of the handler's own keeps its last mark; that of a batch before is no longer true.
    """
    runs = running.get()
    if runs is not None:
        job: Job[Any] = runs.job()
        return job
    last: Job[Any] | None = marked.get()
    return last if last is not None and last._lease == here.batch else None


class ForSupervisor(logging.Formatter):
    """The format in which an actor's records reach its supervisor."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as one line."""
        return encoded(
            LogLine(
                message=_head(record.getMessage()),
                level=record.levelno,
                logger=head(record.name, 200),
                exc=ends(traceback_of(record, self), MAX_EXC),
                created=record.created,
                batch=_number(record, "actorq_batch"),
                job=_number(record, "actorq_job"),
                attempt=_number(record, "actorq_attempt"),
                extra=extra_of(record),
            )
        )


def _head(text: str) -> str:
    is_cut = len(text) > MAX_MESSAGE
    return f"{head(text, MAX_MESSAGE - 3)}…" if is_cut else head(text, MAX_MESSAGE)


def _number(record: logging.LogRecord, name: str) -> int | None:
    """Return an attribute of ours; a user may have given one of this name, of any type."""
    value = getattr(record, name, None)
    return value if isinstance(value, int) else None
