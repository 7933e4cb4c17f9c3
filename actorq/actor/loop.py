"""The main thread of an actor: load, report ready, run batches, leave.

Everything that a handler can do short of killing the process ends as a message to the supervisor.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import gc
import logging
import os
import signal
import sys
import threading
import time
from io import TextIOWrapper
from typing import NoReturn

from actorq.actor import boot, owner
from actorq.actor.adapters import Adapter, adapter_of
from actorq.actor.bound import BoundKind
from actorq.actor.context import add_context, here
from actorq.actor.leaving import leave_in_order
from actorq.actor.outbox import Outbox
from actorq.actor.pipe import LOST, Pipe, leave
from actorq.actor.run import run_batch
from actorq.actor.texts import describe, ends, head
from actorq.core.plan import inputs as i
from actorq.logs import extra_of, logger, traceback_of
from actorq.pipe import wire
from actorq.pipe.logline import LogLine, encoded
from actorq.pipe.memory import keep_buffers, resident_bytes
from actorq.pipe.page import Page

GATHER_S = 0.02
"""How long outcomes are gathered before they are sent: a frame per job would cost 360 × as much."""

MAX_MESSAGE, MAX_EXC = 8 * 1024, 16 * 1024
"""How many bytes of a log record's text and of its traceback are sent."""

FAILED = 1
"""The exit code of an actor whose handler could not be set up."""

_IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_MAX_INHERITED = 256
_PR_SET_PDEATHSIG, _PR_SET_NAME = 1, 15
_MAX_NAME = 15
"""How many bytes of a name the kernel keeps."""


def main(fd: int, parent: int, page_fd: int, capacity: int) -> NoReturn:
    """Run as an actor until told to stop."""
    owner.own()
    try:
        _die_with(parent)
        _ignore_signals()
        page = Page.at(page_fd, capacity)
        _keep_descriptors()
        keep_buffers()
        _serve(Pipe(fd), page)
    except BaseException as error:  # past this point, threads of the handler could hold us up
        owner.leave_if_forked(error)
        with contextlib.suppress(BaseException):
            print(describe(error).traceback, file=sys.stderr, flush=True)
    leave(LOST)


def _serve(pipe: Pipe, page: Page) -> NoReturn:
    pipe.watch()
    messages = pipe.messages()
    first = next(messages)
    assert isinstance(first, wire.Boot)
    kind, adapter = _boot(first, pipe)
    pipe.send(i.Ready(first.actor))
    gatherer = Gatherer()
    while not isinstance(message := next(messages), wire.Stop):
        assert isinstance(message, wire.Work)
        if page.is_recalled(message.lease):
            pipe.send(i.Returned(message.actor, message.lease))
        else:
            here.batch = message.lease
            run_batch(adapter, message, kind.codec, page, pipe.send, gatherer.follow)
            here.batch = None
            _tell_size(kind.policy.max_rss, message.actor, pipe)
    _tear_down(adapter)
    pipe.send(wire.Bye())
    leave_in_order(0)


def _tell_size(max_rss: int | None, actor: int, pipe: Pipe) -> None:
    """Report to the supervisor if this process has grown too large; it gets no more work then."""
    if max_rss is not None and (rss := resident_bytes()) > max_rss:
        pipe.send(i.Grown(actor, rss))


class Gatherer:
    """A thread that flushes the running batch's outbox a moment after it gets an outcome."""

    def __init__(self) -> None:
        self._outbox: Outbox | None = None
        self._pending = threading.Event()
        threading.Thread(target=self._run, name="actorq-gather", daemon=True).start()

    def follow(self, outbox: Outbox) -> None:
        """Look after this outbox from now on."""
        self._outbox = outbox
        outbox.wake = self._wake

    def _wake(self) -> None:
        if not self._pending.is_set():
            self._pending.set()

    def _run(self) -> None:
        while self._pending.wait():
            time.sleep(GATHER_S)
            self._pending.clear()
            if self._outbox is not None:
                self._outbox.flush()


def _boot(first: wire.Boot, pipe: Pipe) -> tuple[BoundKind, Adapter]:
    """Return the kind and its adapter, set up; ends the process if that fails."""
    _prepare_output(first.log_level, first.kind)
    _call_it(f"actorq {first.kind}[{first.slot}]")
    try:
        kind = boot.load(first)
        owner.leave_if_forked()
        adapter = adapter_of(kind)
        adapter.setup(first.slot)
        owner.leave_if_forked()
        gc.collect()
        gc.freeze()  # repeated collections took a tenth of the CPU of actors with empty jobs
    except BaseException as error:  # sys.exit in a module is a failure like any other
        owner.leave_if_forked(error)
        pipe.send(i.BootFailed(first.actor, describe(error)))
        leave_in_order(FAILED)
    return kind, adapter


def _call_it(name: str) -> None:
    """Show in lists of processes what this one is for, as far as the system allows.

    The command line shows it, too; with `setproctitle` installed, it shows nothing else.
    """
    os.environ["SPT_NOENV"] = "1"  # otherwise it overwrites the environment that others read
    try:
        import setproctitle
    except ImportError:
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(_PR_SET_NAME, name.encode()[:_MAX_NAME], 0, 0, 0)
    else:
        setproctitle.setproctitle(name)
    del os.environ["SPT_NOENV"]


def _tear_down(adapter: Adapter) -> None:
    try:
        adapter.teardown()
        owner.leave_if_forked()
    except BaseException as error:  # all jobs are answered for; this only concerns the log
        owner.leave_if_forked(error)
        logger("actorq.actor").exception("teardown failed")


def _die_with(parent: int) -> None:
    """Ask the kernel to kill this process when the thread that started it is gone.

    That thread belongs to the guardian, or to the supervisor if there is no guardian.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it was gone before that took effect
        leave(FAILED)


def _keep_descriptors() -> None:
    """Prevent programs started from here from inheriting this process's descriptors."""
    for fd in range(3, _MAX_INHERITED):
        with contextlib.suppress(OSError):
            os.set_inheritable(fd, False)


def _ignore_signals() -> None:
    """Ignore signals that a terminal or a service manager sends to all: the supervisor decides.

    This uses a handler rather than SIG_IGN, which programs started from here would inherit.
    """
    for number in _IGNORED:
        signal.signal(number, lambda *_: None)
    os.register_at_fork(after_in_child=_heed_signals)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _heed_signals() -> None:
    for number in _IGNORED:
        signal.signal(number, signal.SIG_DFL)


def _prepare_output(level: int, kind: str) -> None:
    """Make handlers' output leave line by line, whatever characters it contains."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(line_buffering=True, errors="backslashreplace")
    with contextlib.suppress(Exception):
        faulthandler.enable()
    logging.captureWarnings(True)
    here.kind = kind
    _let_records_know_their_job()
    _log_to_output(level)


def _log_to_output(level: int) -> None:
    """Send log records to the supervisor; a handler's module may configure something else."""
    stream = logging.StreamHandler()
    stream.setFormatter(_ForSupervisor())
    root = logging.getLogger()
    root.addHandler(stream)
    root.setLevel(level)


def _let_records_know_their_job() -> None:
    """Add the context to every log record of this process from now on.

    A handler may replace all handlers, formats, the record factory or the class of loggers, at any
    time. Whatever makes a record, it is `Logger.handle` that passes it on to filters and handlers.
    """
    handle = logging.Logger.handle

    def with_context(self: logging.Logger, record: logging.LogRecord) -> None:
        add_context(record)
        handle(self, record)

    logging.Logger.handle = with_context  # type: ignore[method-assign]


class _ForSupervisor(logging.Formatter):
    """The format in which an actor's records reach its supervisor: a line of JSON each."""

    def format(self, record: logging.LogRecord) -> str:
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
