"""Help for the tests of programs that use actorq.

`run` calls a handler in this process, without actors or a database. `assert_enqueued` checks what a
piece of code has enqueued, and `drain` runs it. Fixtures with a private database are in
`actorq.pytest_plugin`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import msgspec

from actorq.actor.adapters import Adapter, adapter_of
from actorq.actor.places import kind_behind
from actorq.actor.run import run_batch
from actorq.app import App
from actorq.args.codec import ArgsCodec
from actorq.client.client import driver_connection, explained
from actorq.client.handle import loaded
from actorq.core.job.model import ErrorInfo, Verdict
from actorq.core.job.outcome import (
    Cancel,
    Done,
    Fail,
    Outcome,
    RestartActor,
    RestKind,
    Retry,
    Said,
    Snooze,
)
from actorq.core.plan.inputs import HandedBack, HandlerFailed
from actorq.durations import Duration
from actorq.english import count
from actorq.errors import ActorqError, ConfigError
from actorq.kind import Kind
from actorq.pipe.page import Page
from actorq.pipe.wire import Work
from actorq.store.enqueue import enqueue

if TYPE_CHECKING:
    from actorq.supervisor.options import RunSettings

MAX_SHOWN = 10


class Raised(Outcome):
    """The outcome of a job whose handler raised, for it alone or for the rest of its batch."""

    __match_args__ = ("error",)
    error: ErrorInfo


def run(kind: object, items: Iterable[object]) -> list[Said]:
    """Run a kind's handler on these args in this process; return one outcome per job.

    The args pass through JSON and the kind's type as they would on their way to an actor, and a
    result is what would be stored. `kind` may also be the decorated class. A job that was handed
    back has RestartActor or RestKind as its outcome; nothing is run twice.
    """
    kind = kind_of(kind)
    codec = kind.codec
    encoded = [codec.encode(codec.arrange_item(item)) for item in items]
    size = kind.policy.max_batch
    outcomes: list[Said] = []
    with contextlib.ExitStack() as stack:
        adapter = _set_up(kind, stack)
        for start in range(0, len(encoded), size):
            outcomes += _outcomes(adapter, kind, encoded[start : start + size], start)
            if any(isinstance(outcome, RestartActor) for outcome in outcomes[start:]):
                stack.close()
                adapter = _set_up(kind, stack)
    return outcomes


def _set_up(kind: Kind, stack: contextlib.ExitStack) -> Adapter:
    """Return a handler that is ready, and is torn down with the stack."""
    adapter = adapter_of(kind.bound())
    adapter.setup(0)
    stack.callback(adapter.teardown)
    return adapter


def drain(app: App, *, until_final: bool = False, limit_s: Duration | None = None) -> None:
    """Run the app's kinds in real actor processes until nothing is due.

    With `until_final`, run until all jobs are final: this waits for retries, snoozed and scheduled
    jobs, but no longer than `limit_s` (an hour; seconds, a timedelta, or text like "1h30m").

    Raises ActorqError that says what was run and what is left, if due jobs are left or, with
    `until_final`, if a job has failed for good.
    """
    from actorq.events import line
    from actorq.supervisor.engine import Engine

    settings: RunSettings = {"until_final": until_final}
    if limit_s is not None:
        settings["limit_s"] = limit_s
    options = app.run_options(drain=True, **settings)
    engine = Engine(options, app.events)
    code = engine.run()
    if code != 0:
        told = line(engine.ended)[1] if engine.ended else "nothing was run"
        raise ActorqError(f"the drain is not done, exit code {code}: {told}; its log says more")


def assert_enqueued(
    where: object,
    kind: object,
    args: object = msgspec.UNSET,
    *,
    n: int | None = None,
    schema: str = "actorq",
    **columns: object,
) -> list[int]:
    """Assert that a job of this kind is pending, and return the ids of all that match.

    `where` is the app, or a psycopg connection to look inside its transaction. With `args`, only
    jobs with exactly these count; likewise for the columns queue, priority and key. With `n`,
    there must be exactly that many. `schema` is needed with a connection only.
    """
    name = kind if isinstance(kind, str) else kind_of(kind).name
    wanted = columns if args is msgspec.UNSET else {**columns, "args": _as_stored(kind, args)}
    pending = _pending(where, name, schema)
    ids = [job["id"] for job in pending if all(job[k] == v for k, v in wanted.items())]
    if (not ids) if n is None else len(ids) != n:
        shown = "\n".join(f"  {job}" for job in pending[:MAX_SHOWN]) or "  none at all"
        raise AssertionError(
            f"{count(len(ids), 'job')} of kind {name!r} with {wanted} pending, "
            f"{'at least one' if n is None else n} expected; of this kind are pending:\n{shown}"
        )
    return ids


def kind_of(kind: object) -> Kind:
    """Return the Kind itself, for a kind or a decorated class."""
    found = kind if isinstance(kind, Kind) else kind_behind(kind)
    if isinstance(found, Kind):
        return found
    raise ConfigError(f"{kind!r} is no kind of job: give a kind or a decorated handler")


def _outcomes(adapter: Adapter, kind: Kind, encoded: list[bytes], start: int) -> list[Said]:
    n = len(encoded)
    ids, lens = list(range(start + 1, start + n + 1)), [len(item) for item in encoded]
    args = b"[" + b",".join(encoded) + b"]"
    work = Work(1, 1, ids, lens, cut="flush", args=args)
    messages: list[Any] = []
    run_batch(adapter, work, kind.codec, Page.private(n, work.lease), messages.append)
    outcomes: dict[int, Said] = {}
    for message in messages:
        if isinstance(message, HandlerFailed | HandedBack):
            return [outcomes.get(i, _rest_of(message)) for i in range(n)]
        outcomes |= {position: Done() for position in message.done}
        outcomes |= {verdict.pos: _outcome(verdict) for verdict in message.verdicts}
    return [outcomes.get(i, Done()) for i in range(n)]


def _rest_of(message: HandlerFailed | HandedBack) -> Said:
    if isinstance(message, HandlerFailed):
        return Raised(message.error)
    reason = message.error.message
    rest_s = message.rest_s
    return RestartActor(reason) if rest_s is None else RestKind(rest_s, reason)


def _outcome(verdict: Verdict) -> Outcome:
    error = verdict.error or ErrorInfo("", "")
    match verdict.what:
        case "result":
            return Done(loaded((verdict.result or b"null").decode()))
        case "retry":
            return Retry(verdict.after_s, error.message)
        case "snooze":
            return Snooze(verdict.after_s or 0.0, error.message)
        case "fail":
            return Fail(error.message)
        case "cancel":
            return Cancel(error.message)
    return Raised(error)


def _as_stored(kind: object, args: object) -> object:
    """Return args as the plain values that the database holds for them."""
    if isinstance(kind, str):
        return msgspec.json.decode(ArgsCodec().encode(args))
    codec = kind_of(kind).codec
    return msgspec.json.decode(codec.encode(codec.arrange_item(args)))


def _pending(where: object, name: str, schema: str) -> list[dict[str, Any]]:
    if isinstance(where, App):
        rows = where.client.do(enqueue.pending(where.schema, name))
    else:
        rows = _rows(where, name, schema)
    columns = ("id", "queue", "priority", "key")
    return [
        {**dict(zip(columns, row, strict=False)), "args": msgspec.json.decode(row[4])}
        for row in rows
    ]


def _rows(conn: object, name: str, schema: str) -> list[tuple[object, ...]]:
    from psycopg import RawCursor
    from psycopg.rows import tuple_row

    theirs = driver_connection(conn)
    with explained(schema), RawCursor(theirs, row_factory=tuple_row) as cursor:
        return enqueue.run(cursor, enqueue.pending(schema, name))
