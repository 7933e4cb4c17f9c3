"""The log lines of events: the level and the text of each, and the subscriber that writes them.

This file has the only text about events.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable

from actorq.core import event as e
from actorq.core.event import Event
from actorq.english import count
from actorq.escape import escape
from actorq.logs import logger

MAX_TRACEBACK_LINES = 60
_LINE_END = re.compile("\r?\n")

DEBUG, INFO, WARNING, ERROR = logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR

LINES: dict[type[Event], tuple[int, str]] = {
    e.SupervisorStarted: (INFO, "supervisor started: node {node}, pid {pid}, kinds {kinds}"),
    e.SupervisorStopping: (INFO, "supervisor stopping: {phase}"),  # … and what it waits for
    e.SupervisorHeldUp: (
        WARNING,
        "supervisor stopping: waiting up to {wait_s} s for the database to take outcomes, which"
        " would have to be computed again; another signal (Ctrl-C) skips the waiting: {reason}",
    ),
    e.SupervisorStopped: (INFO, "supervisor stopped: node {node}"),
    e.JobsRun: (INFO, "in the last {period_s} s: {n_completed} completed"),  # … and other outcomes
    e.RunEnded: (INFO, "{n_completed} completed"),  # … and other outcomes, and what is left
    e.SupervisorFailed: (ERROR, "supervisor cannot go on: {error}"),
    e.SupervisorDisowned: (
        ERROR,
        "node {node} was declared dead by others: its unwritten outcomes are dropped, and their"
        " jobs run again; going on as {new_node}",
    ),
    e.KindAvailable: (INFO, "kind {kind} available"),
    e.KindUnavailable: (
        ERROR,
        "kind {kind} unavailable: no actor can start, so its jobs wait; next try in {retry_in_s} s",
    ),
    e.KindResting: (
        ERROR,
        "kind {kind} rests for {rest_s} s; no job is at fault or charged: {error}",
    ),
    e.RetryFunctionFailed: (WARNING, "retry of kind {kind}: {error}; the default delay applies"),
    e.BatchLimited: (WARNING, "batches of kind {kind} limited to {limit:job}"),
    e.ActorReady: (INFO, "actor {kind}/{slot} ready"),
    e.ActorBootFailed: (ERROR, "actor {kind}/{slot} cannot start: {error}\n{traceback}"),
    e.ActorRetired: (INFO, "actor {kind}/{slot} ends, a fresh one follows: {reason}"),
    e.ActorExited: (WARNING, "actor {kind}/{slot} exited ({cause}): {exit}"),
    e.BatchClaimed: (
        DEBUG,
        "batch {lease} claimed: {n_jobs:job} of {kind} in {queue}, cut by {cut}",
    ),
    e.BatchFinished: (DEBUG, "batch {lease} finished: {n_jobs:job} of {kind}/{slot}"),
    e.BatchFailed: (
        WARNING,
        "batch {lease} failed ({cause}): {n_jobs:job} of {kind}/{slot}, {n_suspect} suspect:"
        " {error}",
    ),
    e.BatchHandedBack: (
        WARNING,
        "batch {lease} handed back, {n_jobs:job} of {kind}/{slot} uncharged: {reason}",
    ),
    e.AttemptFailed: (
        ERROR,
        "job {id} of {kind} failed for good at attempt {attempt} ({cause}): {error}",
    ),
    e.BatchSettled: (
        DEBUG,
        "batch {lease} settled: {n_jobs:job} of {kind}, {n_completed} completed",
    ),
    e.SettleDelayed: (WARNING, "settle delayed, {n_jobs:outcome} kept: {reason}"),
    e.SettleMissed: (
        ERROR,
        "outcomes not written, because somebody had changed their job rows; those of the jobs that"
        " are still pending run again: ids {ids}",
    ),
    e.RepairDelayed: (
        WARNING,
        "jobs could not be made ready yet, trying again: ids {ids}: {reason}",
    ),
    e.LeaseLost: (
        WARNING,
        "lease {lease} was taken away: the outcomes of {n_jobs:job} of {kind} are dropped",
    ),
    e.LeaseFound: (
        WARNING,
        "lease {lease} is this node's, but unknown here: its jobs are given back",
    ),
    e.ProtocolBroken: (
        ERROR,
        "actor {kind}/{slot} gave two outcomes, or a wrong one, for batch {lease}: it is killed",
    ),
    e.NodeReaped: (WARNING, "node {node} reaped: {n_jobs:job} given back"),
    e.ConnectionLost: (WARNING, "connection lost ({duty}): {error}"),
    e.ConnectionRestored: (INFO, "connection restored ({duty}) after {down_s} s"),
    e.DutyFailed: (WARNING, "{duty}: a statement failed and will be tried again: {error}"),
    e.ArgsTypeChanged: (
        WARNING,
        "args of kind {kind} changed their type: {old} before, {new} now;"
        " jobs enqueued before may fail",
    ),
}

_RETRIED = (
    "job {id} of {kind} failed at attempt {attempt} ({cause}), next in {retry_in_s} s: {error}"
)
_UNSETTLED = (
    "supervisor stopped: node {node}; {n_unsettled} OUTCOMES WERE NOT WRITTEN,"
    " their jobs will run again"
)
_SHORT = "supervisor stopped: node {node}; not all is done, so the exit code is 1: {short}"
_UNSETTLED_FOR = f"{_UNSETTLED}: {{reason}}"


def line(event: Event) -> tuple[int, str]:
    """Return the log level and the text of an event, safe to print."""
    level, text = LINES[type(event)]
    match event:
        case e.AttemptFailed(retry_in_s=float() | int()):
            level, text = WARNING, _RETRIED
        case e.SupervisorStopped(n_unsettled=n, reason=reason) if n:
            level, text = ERROR, _UNSETTLED_FOR if reason else _UNSETTLED
        case e.SupervisorStopped(short=short) if short:
            level, text = WARNING, _SHORT
        case e.SupervisorStopping() if event.n_batches or event.why:
            return level, escape(_stopping(event), 500)
        case e.JobsRun():
            return level, f"{_period(event)}, {event.n_running:,} under way"
        case e.RunEnded():
            return WARNING if event.short else level, escape(_ended(event), 2000)
        case e.ActorExited(planned=True):
            level = INFO
    return level, text.format(**{k: _SHOWN.get(k, _shown)(v) for k, v in event.fields().items()})


def _stopping(event: e.SupervisorStopping) -> str:
    n, are = event.n_batches, "is" if event.n_batches == 1 else "are"
    batches = count(n, "running batch", "running batches")
    if event.phase == "killing":
        return f"supervisor stopping: {event.phase}: {batches} {are} killed, uncharged"
    said = ", ".join(filter(None, (event.phase, event.why)))
    if not n:
        return f"supervisor stopping: {said}"
    return (
        f"supervisor stopping: {said}, waiting up to {event.wait_s:g} s for {batches} to finish;"
        " another signal (Ctrl-C) skips the waiting and kills what runs"
    )


def _period(event: e.JobsRun) -> str:
    counts = _counts(event.n_completed, event.n_failed, event.n_cancelled)
    later = f", {event.n_later:,} to run again" if event.n_later else ""
    return f"in the last {event.period_s:.0f} s: {counts}{later}"


def _ended(event: e.RunEnded) -> str:
    """Return the last line of a run, as in *5 completed, 2 left: kind a could not start*."""
    parts = [_counts(event.n_completed, event.n_failed, event.n_cancelled)]
    about = "" if event.exact else "at least "
    parts += [
        f"{about}{n:,} left: {f'kind {kind} {why}' if why in _TROUBLES else why or 'not run'}"
        for kind, n, why in event.left
    ]
    if event.n_scheduled:
        parts.append(f"{about}{event.n_scheduled:,} scheduled")
    if event.n_elsewhere:
        parts.append(f"{event.n_elsewhere:,} held by other supervisors")
    if event.n_died:
        parts.append(f"{count(event.n_died, 'actor')} died")
    if not event.known:
        parts.append("what is left is not known: the database did not answer")
    return ", ".join(parts)


_TROUBLES = ("could not start", "rests")
"""What is said about a kind that a drain has given up."""


def _counts(completed: int, failed: int, cancelled: int) -> str:
    others = [f"{n:,} {what}" for n, what in ((failed, "failed"), (cancelled, "cancelled")) if n]
    return ", ".join([f"{completed:,} completed", *others])


class LogLines:
    """The subscriber that writes events to the logger `actorq`, limited per type and kind.

    A service that is down can fail thousands of jobs a second. Beyond `max_per_s` lines of one
    type and kind, the rest of that second is only counted, and the count is logged.
    """

    def __init__(self, max_per_s: int = 20, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_per_s = max_per_s
        self._clock = clock
        self._windows: dict[tuple[str, str], tuple[int, int]] = {}  # → second, lines in it

    def __call__(self, event: Event) -> None:
        """Log one event."""
        level = LINES[type(event)][0]
        log = logger("actorq")
        if level == DEBUG and not log.isEnabledFor(DEBUG):
            return
        if self._admits(event):
            level, text = line(event)
            log.log(level, "%s", text, extra={"actorq_event": event})

    def _admits(self, event: Event) -> bool:
        key = (event.name, getattr(event, "kind", ""))
        second = int(self._clock())
        since, n = self._windows.get(key, (second, 0))
        if since != second:
            if n > self._max_per_s:
                logger("actorq").warning("%s %s: %d more lines left out", *key, n - self._max_per_s)
            since, n = second, 0
        self._windows[key] = (since, n + 1)
        return n < self._max_per_s


class Number(int):
    """A number that a line can name with its noun, as in `{n_jobs:job}`."""

    def __format__(self, noun: str) -> str:
        return count(int(self), noun) if noun else f"{int(self)}"


def _shown(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        return Number(value)
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, tuple):
        more = f", and {len(value) - 10} more" if len(value) > 10 else ""
        return escape(", ".join(map(str, value[:10])), 500) + more
    return escape(str(value), 500)


def _indented(traceback: object) -> str:
    """Keep the last lines of a traceback apart, each escaped and indented as not ours."""
    lines = str(traceback).splitlines()[-MAX_TRACEBACK_LINES:]
    return "\n".join(f"    {escape(line, 500)}" for line in lines)


def _error(text: object) -> str:
    """Keep the lines of an error's text apart, the first of them in the line that tells of it."""
    shown = str(text).rstrip()
    shown = shown if len(shown) <= 500 else f"{shown[:497]}..."
    return "\n    ".join(escape(each.expandtabs(4)) for each in _LINE_END.split(shown))


_SHOWN: dict[str, Callable[[object], object]] = {"traceback": _indented, "error": _error}
