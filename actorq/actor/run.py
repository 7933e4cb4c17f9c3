"""Run one batch through a handler; needs no process, so tests of handlers can call it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

import msgspec

from actorq.actor.adapters import Adapter
from actorq.actor.context import Batch, marked
from actorq.actor.outbox import Outbox, SendAnswer, checked_delay, said_error
from actorq.actor.owner import leave_if_forked
from actorq.actor.results import ResultRefused
from actorq.actor.texts import describe, ends, head
from actorq.actor.time_limits import failure_of
from actorq.args.codec import ArgsCodec
from actorq.core.job.model import ErrorInfo, Verdict
from actorq.core.job.outcome import Outcome, RestartActor, RestKind, said_by
from actorq.pipe.page import BEGUN, PASSED, Page
from actorq.pipe.wire import Work


def run_batch(
    adapter: Adapter,
    work: Work,
    codec: ArgsCodec,
    page: Page,
    emit: SendAnswer,
    opened: Callable[[Outbox], None] | None = None,
) -> None:
    """Run a batch and emit its Outcomes, ending with `last`, its HandlerFailed or HandedBack.

    `opened` is given the outbox before the handler runs, so that somebody else can flush it.
    Raises only what `emit` raises.
    """
    page.take(work.lease)
    outbox = Outbox(work, emit, adapter.results)
    if opened is not None:
        opened(outbox)
    ended = _handled(adapter, work, codec, page, outbox)
    if ended is None:
        outbox.finish()
    elif isinstance(ended, ErrorInfo):
        outbox.fail(ended, page.running())
    elif isinstance(ended, RestKind):
        after_s = checked_delay(ended.after_s) or 0.0
        outbox.hand_back(said_error(ended), page.running(), after_s)
    else:
        outbox.hand_back(said_error(ended), page.running())


Ended = ErrorInfo | RestKind | RestartActor | None


def _handled(adapter: Adapter, work: Work, codec: ArgsCodec, page: Page, outbox: Outbox) -> Ended:
    """Return what the handler raised; sys.exit counts as any other exception."""
    try:
        batch = _batch(work, codec, page, outbox, adapter.max_attempts)
    except BaseException as error:
        leave_if_forked(error)
        return describe(error)
    for part in _one_by_one(batch, work, page, outbox) if work.one_by_one else [batch]:
        ended = _ran(adapter, part) if len(part) else None
        if ended is not None:
            return ended
    return None


def _ran(adapter: Adapter, batch: Batch[object]) -> Ended:
    """Run the handler; return how the batch ends, None if all went well."""
    try:
        if adapter.batch_limit_s is not None:
            batch.deadline = time.monotonic() + adapter.batch_limit_s
        if len(batch) == 1:
            marked.set(batch)
        with adapter.batch_limit(batch):
            adapter.handle(batch)
    except BaseException as error:  # one bad handler must not take its process along
        leave_if_forked(error)
        return _meant(error, batch, adapter)
    finally:
        marked.set(None)  # which would keep the batch's args in memory until the next one
    return None


def _one_by_one(
    batch: Batch[object], work: Work, page: Page, outbox: Outbox
) -> Iterator[Batch[object]]:
    """Yield each job as a batch of its own, marked as begun while it runs.

    A job that ends without an outcome is done and reported at once, because the next one may
    end the process.
    """
    for args, position in zip(batch.args, batch._positions, strict=True):
        if page.is_cancelled(position):
            outbox.tell(position, Verdict(position, "cancel"))
            continue
        page.begun[position] = BEGUN
        yield Batch(work, [position], [args], page, outbox, batch.max_attempts)
        if not outbox.is_told(position):
            outbox.tell(position, None)
        page.begun[position] = PASSED


def _meant(error: BaseException, batch: Batch[object], adapter: Adapter) -> Ended:
    """Return how the batch ends; None if the handler has said what becomes of the rest of it."""
    said = said_by(error)
    try:
        if isinstance(said, Outcome):
            batch._outbox.add_to_rest(batch._positions, said)
            return None
        if isinstance(said, RestKind):
            checked_delay(said.after_s)
    except ResultRefused as refused:
        return describe(refused)
    if isinstance(said, RestKind | RestartActor):
        return said
    return failure_of(error, adapter.fatal)


def _batch(
    work: Work, codec: ArgsCodec, page: Page, outbox: Outbox, max_attempts: int
) -> Batch[object]:
    """Return the jobs to run; those that are cancelled or whose args do not fit are reported."""
    values = codec.decode_many(work.args, work.lens)
    positions: Sequence[int] = range(len(values))
    cancelled = set(page.cancelled(len(values)))
    if cancelled or ErrorInfo in set(map(type, values)):
        for position in positions:
            if position in cancelled:
                outbox.tell(position, Verdict(position, "cancel"))
            elif type(values[position]) is ErrorInfo:
                outbox.tell(position, Verdict(position, "fail", error=_fit(values[position])))
        positions = outbox.left(positions)
        values = [values[position] for position in positions]
    return Batch(work, positions, values, page, outbox, max_attempts)


def _fit(error: ErrorInfo) -> ErrorInfo:
    """Return what a codec said about bad args, as text that can be stored."""
    message, trace = head(error.message), ends(error.traceback)
    return msgspec.structs.replace(error, message=message, traceback=trace, cause="args")
