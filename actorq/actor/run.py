"""Run one batch through a handler; needs no process, so tests of handlers can call it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from actorq.actor.adapters import Adapter
from actorq.actor.context import Batch
from actorq.actor.limits import cause_of
from actorq.actor.outbox import Emit, Outbox
from actorq.actor.owner import leave_if_forked
from actorq.actor.texts import describe, ends, head
from actorq.args import ArgsCodec
from actorq.core.model import ErrorInfo, Verdict
from actorq.page import Page
from actorq.wire import Work


def run_batch(
    adapter: Adapter,
    work: Work,
    codec: ArgsCodec,
    page: Page,
    emit: Emit,
    opened: Callable[[Outbox], None] | None = None,
) -> None:
    """Run a batch and emit its Outcomes, ending with `last`, or its BatchFailed.

    `opened` is told the outbox before the handler runs, so that somebody else can flush it.
    Raises only what `emit` raises.
    """
    page.take(work.no)
    outbox = Outbox(work.no, work.ids, emit, adapter.results)
    if opened is not None:
        opened(outbox)
    failure = _handled(adapter, work, codec, page, outbox)
    if failure is None:
        outbox.finish()
    else:
        outbox.fail(failure, page.running())


def _handled(
    adapter: Adapter, work: Work, codec: ArgsCodec, page: Page, outbox: Outbox
) -> ErrorInfo | None:
    """Return what the handler raised; sys.exit and the like are no more than that."""
    try:
        batch = _batch(work, codec, page, outbox, adapter.max_attempts)
        if len(batch):
            with adapter.batch_limit():
                adapter.handle(batch)
    except BaseException as error:  # one bad handler must not take its process along
        leave_if_forked(error)
        return describe(error, cause_of(error))
    return None


def _batch(
    work: Work, codec: ArgsCodec, page: Page, outbox: Outbox, max_attempts: int
) -> Batch[Any]:
    """Return the jobs to run: those cancelled and those whose args do not fit are reported."""
    values = codec.decode_many(work.args, work.lens)
    positions: Sequence[int] = range(len(values))
    cancelled = set(page.cancelled(work.no, len(values)))
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
