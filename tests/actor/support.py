"""Run a handler's batch without a process, and read what it said about each job."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from actorq.actor.adapters import adapter_of
from actorq.actor.bound import BoundKind, Shape
from actorq.actor.run import run_batch
from actorq.args.codec import ArgsCodec
from actorq.core.job.policy import KindPolicy
from actorq.core.plan.inputs import HandlerFailed, Outcomes
from actorq.kind import Kind
from actorq.pipe.page import Page
from actorq.pipe.wire import Work

FIRST_ID = 7001  # far from any position, so that the two cannot be mixed up


def kind_of(handler: Any, shape: Shape = "batch", codec: Any = None, **settings: Any) -> BoundKind:
    """Return a kind; tests state its shape, for their handlers have no annotations."""
    settings.setdefault("max_batch", 10_000)
    if codec is None:
        codec = ArgsCodec.of_function(handler) if shape == "job" else ArgsCodec()
    kind = Kind(None, KindPolicy(name="k", **settings), codec)
    kind.handler, kind.shape = handler, shape
    return kind.bound()


def work_of(values: list[Any], lease: int = 1, actor: int = 1, **fields: Any) -> Work:
    items = [v if isinstance(v, bytes) else msgspec.json.encode(v) for v in values]
    ids = list(range(FIRST_ID, FIRST_ID + len(values)))
    args = b"[" + b",".join(items) + b"]"
    return Work(actor, lease, ids, [len(i) for i in items], args=args, **fields)


class Ran:
    """What came out of one batch."""

    def __init__(self, messages: list[Any], page: Page, n: int) -> None:
        self.messages, self.page = messages, page
        self.failed: Any = next((m for m in messages if isinstance(m, HandlerFailed)), None)
        outcomes = [m for m in messages if isinstance(m, Outcomes)]
        self.verdicts: dict[int, Any] = {}  # of which a test knows what it has
        told: list[int] = []
        for message in outcomes:
            told += message.done + [v.pos for v in message.verdicts]
            self.verdicts |= {v.pos: v for v in message.verdicts}
        assert len(told) == len(set(told)), "a job was told twice"
        assert set(told) <= set(range(n))
        assert bool(outcomes and outcomes[-1].last) != bool(self.failed)
        self.done = set(range(n)) - set(self.verdicts) if not self.failed else None
        self.told = set(told)

    @property
    def whats(self) -> dict[int, str]:
        return {pos: verdict.what for pos, verdict in sorted(self.verdicts.items())}

    @property
    def results(self) -> dict[int, Any]:
        return {
            pos: msgspec.json.decode(verdict.result)
            for pos, verdict in sorted(self.verdicts.items())
            if verdict.what == "result"
        }


def run(
    kind: BoundKind,
    args: list[Any],
    page: Page | None = None,
    opened: Callable[[Any], None] | None = None,
    **fields: Any,
) -> Ran:
    page = page or Page.private(max(1, len(args)))
    adapter = adapter_of(kind)
    adapter.setup(0)
    messages: list[Any] = []
    work = work_of(args, **fields)
    try:
        run_batch(adapter, work, kind.codec, page, messages.append, opened)
    finally:
        adapter.teardown()
    return Ran(messages, page, len(args))
