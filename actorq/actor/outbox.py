"""The outcomes of one batch that are not sent yet, and the rule of one outcome per job.

Outcomes are gathered. They are sent when there are enough bytes, when somebody calls `flush` (the
actor's gatherer does, some 20 ms after the first), and at the end of the batch.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence

import msgspec

from actorq.actor.owner import leave_if_forked
from actorq.actor.results import ResultRefused, Results, has_outcomes, refusal
from actorq.actor.texts import describe, head, shown
from actorq.core.job.model import ErrorInfo, Verdict
from actorq.core.job.outcome import Cancel, Done, Fail, HandBack, Outcome, Retry, Snooze
from actorq.core.job.retry import MAX_DELAY_S
from actorq.core.plan import inputs as i
from actorq.durations import seconds_of
from actorq.english import a
from actorq.errors import ActorqError
from actorq.pipe import wire

SendAnswer = Callable[[wire.FromActor], None]


class WrongOutcomes(ActorqError):
    """A violation by a handler of the rule of exactly one outcome for each job."""


class Outbox:
    """The outcomes of one batch, gathered and emitted as messages.

    Handlers may mark jobs from threads of their own, so everything that changes is guarded by
    the lock. `wake` is called when there is something to flush; set it before the handler runs.
    """

    def __init__(self, work: wire.Work, emit: SendAnswer, results: Results) -> None:
        self.results = results
        self.wake: Callable[[], None] = _nothing
        self._of = work.actor, work.lease
        self._ids, self._emit = work.ids, emit
        self._lock = threading.RLock()
        self._told: set[int] = set()  # positions that have their outcome
        self._done: list[int] = []  # … and of those, the completions not yet emitted
        self._verdicts: list[Verdict] = []
        self._n_bytes = 0
        self._open = True
        self.is_late = False  # the time of the batch is up
        self._interrupted: frozenset[int] = frozenset()  # the jobs that were running then
        self._n_void = 0  # the number of outcomes given after that which do not count

    def time_is_up(self, running: Iterable[int]) -> None:
        """Accept only `done` from now on, and only of jobs that are not running at this moment.

        A handler that catches every exception would report a healthy job as failed because it was
        interrupted. Jobs without an outcome are run again.
        """
        self.is_late, self._interrupted = True, frozenset(running)

    def is_told(self, position: int) -> bool:
        """Return whether this job has its outcome."""
        return position in self._told

    def left(self, positions: Iterable[int]) -> list[int]:
        """Return the positions that have no outcome yet."""
        return [p for p in positions if p not in self._told] if self._told else list(positions)

    def add(self, position: int, outcome: object) -> None:
        """Take the outcome of one job; any value that is no Outcome is its result.

        Raises WrongOutcomes if the job already has an outcome.
        """
        self.tell(position, self._verdict(position, outcome))

    def add_to_rest(self, positions: Iterable[int], outcome: Outcome) -> None:
        """Take one outcome for all of these positions that have none yet."""
        for position in self.left(positions):
            self.add(position, outcome)
            outcome.__traceback__ = None  # keep no copy of it for each job: it may have 32 kB

    def add_results(self, positions: Sequence[int], values: Sequence[object]) -> None:
        """Take one outcome or plain result for each of the positions, in order."""
        if self.is_late:
            self._n_void += len(positions)  # incomplete results, and nobody knows which
            return
        for position, value in zip(positions, values, strict=True) if self._told else ():
            if value is not None and position in self._told:
                raise WrongOutcomes(f"job {self._ids[position]} was marked and returned")
        plain = not has_outcomes(values)
        if plain and not self.results.store:
            return  # whatever is not named is done
        whole = plain and not any(value is None for value in values)
        lines = self.results.many(values) if whole else None
        if lines is None:
            for position, value in zip(positions, values, strict=True):
                if value is not None:
                    self.add(position, value)
            return
        with self._lock:
            for position, line in zip(positions, lines, strict=True):
                self._take(position)
                self._verdicts.append(Verdict(position, "result", None, line))
                self._n_bytes += len(line)
                if self._n_bytes >= wire.CHUNK:
                    self.flush()

    def tell(self, position: int, verdict: Verdict | None) -> None:
        """Take a verdict, or None for a plain completion; raises WrongOutcomes."""
        leave_if_forked()
        if self.is_late and not _counts_late(verdict, position in self._interrupted):
            self._n_void += 1
            return
        with self._lock:
            self._take(position)
            if verdict is None:
                self._done.append(position)
            else:
                self._verdicts.append(verdict)
                self._n_bytes += _size(verdict)
                if self._n_bytes >= wire.CHUNK:
                    self.flush()
        self.wake()

    def _take(self, position: int) -> None:
        if position in self._told:
            raise WrongOutcomes(f"job {self._ids[position]} already has an outcome")
        if not self._open:
            raise WrongOutcomes(f"the batch of job {self._ids[position]} has ended")
        self._told.add(position)

    def flush(self) -> None:
        """Emit what has been gathered, unless the batch has ended."""
        with self._lock:
            if self._open and (self._done or self._verdicts):
                self._emit_all(last=False)

    def finish(self) -> None:
        """End the batch: every job without an outcome is done."""
        with self._lock:
            self._emit_all(last=True)
            self._open = False

    def fail(self, error: ErrorInfo, begun: list[int]) -> None:
        """End the batch: the jobs without an outcome failed together."""
        with self._lock:
            self.flush()
            begun = self.left(sorted(self._interrupted) if self.is_late else begun)
            self._emit(i.HandlerFailed(*self._of, self._with_void(error), begun))
            self._open = False

    def _with_void(self, error: ErrorInfo) -> ErrorInfo:
        """Return the error, extended by the number of outcomes that do not count."""
        if not self._n_void:
            return error
        text = f"{error.message} (outcomes given after that do not count: {self._n_void})"
        return msgspec.structs.replace(error, message=text)

    def hand_back(self, error: ErrorInfo, begun: list[int], rest_s: float | None = None) -> None:
        """End the batch: the jobs without an outcome are given back."""
        with self._lock:
            self.flush()
            self._emit(i.HandedBack(*self._of, error, self.left(begun), rest_s))
            self._open = False

    def _emit_all(self, last: bool) -> None:
        done, verdicts = self._done, self._verdicts
        self._done, self._verdicts, self._n_bytes = [], [], 0
        # With `last`, plain completions need not be named.
        self._emit(i.Outcomes(*self._of, [] if last else done, verdicts, last))

    def _verdict(self, position: int, outcome: object) -> Verdict | None:
        try:
            return verdict_of(position, outcome, self.results)
        except ResultRefused as error:
            return Verdict(position, "fail", error=refusal(error))


def _nothing() -> None:
    """Do nothing: the outcomes are sent at the end of the batch."""


def _counts_late(verdict: Verdict | None, was_running: bool) -> bool:
    is_done = verdict is None or verdict.what == "result"
    return is_done and not was_running


def verdict_of(position: int, outcome: object, results: Results) -> Verdict | None:
    """Return what an outcome means for a job, None for a plain completion.

    Raises ResultRefused for a result or a delay that cannot be stored.
    """
    match outcome:
        case Retry(after_s):
            delay_s = checked_delay(after_s, True)
            return Verdict(position, "retry", delay_s, error=said_error(outcome))
        case Snooze(after_s):
            return Verdict(position, "snooze", checked_delay(after_s), error=said_error(outcome))
        case Fail():
            return Verdict(position, "fail", error=said_error(outcome))
        case Cancel(reason):
            return Verdict(position, "cancel", error=said_error(outcome) if reason else None)
    data = results.one(outcome.result if isinstance(outcome, Done) else outcome)
    return None if data is None else Verdict(position, "result", None, data)


def _size(verdict: Verdict) -> int:
    """Return roughly how many bytes a verdict adds to its frame."""
    error = verdict.error
    text = len(error.message) + len(error.traceback) if error else 0
    return 32 + 2 * text + len(verdict.result or b"")


def said_error(said: Retry | Snooze | Fail | Cancel | HandBack) -> ErrorInfo:
    """Return what was said as an error, with the place where it was raised, if it was."""
    reason: object = said.reason
    text = reason if isinstance(reason, str) else f"({a(reason)}, not a text)"
    trace = describe(said).traceback if said.__traceback__ is not None else ""
    return ErrorInfo(type(said).__name__, head(text), trace)


def checked_delay(after_s: object, optional: bool = False) -> float | None:
    """Return the delay, or raise ResultRefused."""
    if after_s is None and optional:
        return None
    seconds = seconds_of(after_s)
    if seconds is not None and 0 <= seconds <= MAX_DELAY_S:
        return float(seconds)
    limit = f"{MAX_DELAY_S:,.0f} ({MAX_DELAY_S / 86_400:.0f} days)"
    raise ResultRefused(
        f"after_s={shown(after_s)} must be a number of seconds from 0 to {limit}, a timedelta, or "
        "text like '1h30m'"
    )
