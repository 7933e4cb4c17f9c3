"""Enqueueing: what is sent for one job, for many, and for jobs with a unique key.

Each procedure is a generator that yields the steps to be done and receives their rows. So it is
written once for synchronous and asynchronous connections: `run` and `run_async` do the steps on
whichever connection is at hand. A procedure starts a transaction only if it needs more than one
statement, and uses a savepoint inside the caller's.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import chain, islice
from selectors import EVENT_READ, DefaultSelector
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from actorq.errors import StoreError
from actorq.store.enqueue.copy_data import (
    PIECE_BYTES,
    PIECE_ROWS,
    Ahead,
    Item,
    NewJob,
    Pieces,
    Shared,
    chunked,
    pieces_with_ids,
)
from actorq.store.session.statements import in_order, statement

if TYPE_CHECKING:
    from psycopg import AsyncRawCursor, RawCursor

T = TypeVar("T")

COPY_ROWS = 10_000
COPY_PIECES = COPY_ROWS // PIECE_ROWS
UNIQUE_ROWS = 5_000
MAX_TRIES = 10


class Run(NamedTuple):
    """A statement to run; its rows are sent back."""

    sql: str
    params: Sequence[Any] | None = None


class Copy(NamedTuple):
    """A COPY to run; its data may still be in the making.

    The data for the next one can be made while the server works on this one's rows, which takes
    half of the time.
    """

    sql: str
    pieces: Iterable[bytes]
    ahead: Ahead[bytes] | Ahead[list[Item]] | None = None


Step = Run | Copy
Columns = tuple[Any, ...]
Rows = list[Columns]
Steps = Generator[Step, Rows, T]


class Transaction(NamedTuple):
    """The statements around several others that make them atomic."""

    begin: str
    commit: str
    rollback: str


OWN = Transaction(
    # A slow source of jobs leaves its transaction idle.
    "BEGIN; SET LOCAL idle_in_transaction_session_timeout = 0",
    "COMMIT",
    "ROLLBACK",
)
CALLERS = Transaction(
    "SAVEPOINT actorq_enqueue",
    "RELEASE SAVEPOINT actorq_enqueue",
    "ROLLBACK TO SAVEPOINT actorq_enqueue",
)


def one(shared: Shared, args: bytes) -> Steps[int]:
    """Insert one job and return its id, in one round trip."""
    key, text = shared.key, args.decode()
    rows = yield _run("enqueue_one", shared.schema, **_shared(shared), key=key, args=text)
    return int(rows[0][0])


def many(shared: Shared, items: Iterable[Item], around: Transaction) -> Steps[int]:
    """Insert jobs as they come and return how many; all of them or none."""
    pieces = Pieces(shared, items)
    first = list(islice(pieces, 2))
    if len(first) == 2:
        yield from _atomic(around, _copies(shared.schema, Ahead(chain(first, pieces))))
    elif first:  # a single statement is a transaction of its own
        yield Copy(statement("enqueue_copy", shared.schema), first)
    return pieces.n_rows


def many_with_ids(shared: Shared, items: Iterable[Item], around: Transaction) -> Steps[list[int]]:
    """Insert jobs and return their ids in order; all of them or none."""
    return (yield from _atomic(around, _copies_with_ids(shared, items)))


def unique_one(shared: Shared, job: NewJob) -> Steps[tuple[int, bool]]:
    """Insert a job unless its unique key is held; return the id and whether it is new."""
    held = yield from _take(shared, [job])
    return held[job.unique_key]


def unique_many(
    shared: Shared, jobs: Sequence[NewJob], around: Transaction
) -> Steps[list[tuple[int, bool]]]:
    """Do the same for many jobs, in the given order; of equal keys, the first one counts."""
    firsts: dict[str, NewJob] = {}
    for job in jobs:
        firsts.setdefault(job.unique_key, job)
    ordered = sorted(firsts.values(), key=lambda job: job.unique_key.encode())
    held = yield from _atomic(around, _take_all(shared, ordered))
    return [_once(held, job.unique_key) for job in jobs]


def state(schema: str, id_: int) -> Steps[str | None]:
    """Return a job's readable state, None if there is no such job."""
    rows = yield _run("enqueue_state", schema, id=id_)
    return str(rows[0][0]) if rows else None


def result(schema: str, id_: int) -> Steps[str | None]:
    """Return a job's result as JSON text, None if none is stored."""
    rows = yield _run("enqueue_result", schema, id=id_)
    return str(rows[0][0]) if rows else None


def pending(schema: str, kind: str) -> Steps[Rows]:
    """Return id, queue, priority, key and args of a kind's pending jobs, oldest first."""
    return (yield _run("enqueue_pending", schema, kind=kind))


# ---- parts of the procedures --------------------------------------------------------------


def _atomic(around: Transaction, steps: Steps[T]) -> Steps[T]:
    yield Run(around.begin)
    try:
        value = yield from steps
    except BaseException:
        with contextlib.suppress(Exception):  # the first error says more
            yield Run(around.rollback)
        raise
    yield Run(around.commit)
    return value


def _copies(schema: str, pieces: Ahead[bytes]) -> Steps[None]:
    sql = statement("enqueue_copy", schema)
    for piece in pieces:
        yield Copy(sql, chain((piece,), islice(pieces, COPY_PIECES - 1)), pieces)


def _copies_with_ids(shared: Shared, items: Iterable[Item]) -> Steps[list[int]]:
    copy = statement("enqueue_copy_at", shared.schema)
    chunks = Ahead(chunked(items, PIECE_ROWS, PIECE_BYTES))
    used: list[int] = []
    run_at: Any = shared.run_at
    for first in chunks:
        # A full chunk is likely to be followed by more. Ids that are left over are never used.
        n = COPY_ROWS if len(first) == PIECE_ROWS else len(first)
        ((run_at, ids),) = yield _run(
            "enqueue_ids", shared.schema, n=n, run_at=run_at, delay_s=shared.delay_s
        )
        yield Copy(
            copy, pieces_with_ids(shared, run_at, ids, chain((first,), chunks), used), chunks
        )
    return used


def _take_all(shared: Shared, jobs: Sequence[NewJob]) -> Steps[dict[str, tuple[int, bool]]]:
    held: dict[str, tuple[int, bool]] = {}
    for chunk in chunked(jobs, UNIQUE_ROWS, 16 * PIECE_BYTES):
        held |= yield from _take(shared, chunk)
    return held


def _take(shared: Shared, jobs: Sequence[NewJob]) -> Steps[dict[str, tuple[int, bool]]]:
    """Insert the jobs whose key is free; return for each key its job and whether that is new."""
    held: dict[str, tuple[int, bool]] = {}
    left, gone = list(jobs), list[int]()
    for _ in range(MAX_TRIES):
        made = yield _unique_insert(shared, left, gone)
        held |= {key: (id_, True) for key, id_ in made}
        skipped = [job.unique_key for job in left if job.unique_key not in held]
        if not skipped:
            return held
        holders = yield _run("unique_holders", shared.schema, kind=shared.kind, unique_keys=skipped)
        held |= {key: (id_, False) for key, id_, exists in holders if exists}
        gone = [id_ for _, id_, exists in holders if not exists]
        left = [job for job in left if job.unique_key not in held]
        if not left:
            return held
    raise StoreError(
        f"{len(left)} unique keys of kind {shared.kind!r} changed hands at every try; "
        "nothing is wrong with them: enqueue again"
    )


def _unique_insert(shared: Shared, jobs: Sequence[NewJob], gone: list[int]) -> Run:
    return _run(
        "unique_insert",
        shared.schema,
        **_shared(shared),
        unique_keys=[job.unique_key for job in jobs],
        keys=[job.key for job in jobs],
        args=[job.args.decode() for job in jobs],
        gone=gone,
    )


def _run(name: str, schema: str, /, **params: object) -> Run:
    return Run(statement(name, schema), in_order(name, params))


def _shared(s: Shared) -> dict[str, Any]:
    """Return what jobs have in common, by the names of the statements' parameters."""
    return {
        "queue": s.queue,
        "kind": s.kind,
        "priority": s.priority,
        "run_at": s.run_at,
        "delay_s": s.delay_s,
        "max_attempts": s.max_attempts,
        "tags": list(s.tags) or None,
    }


def _once(held: dict[str, tuple[int, bool]], key: str) -> tuple[int, bool]:
    """Return a key's job; it is new only the first time it is asked for."""
    id_, is_new = held[key]
    held[key] = (id_, False)
    return id_, is_new


# ---- doing the steps ----------------------------------------------------------------------


def run(cursor: RawCursor[Columns], steps: Steps[T]) -> T:
    """Perform the steps on a synchronous RawCursor and return their result."""
    try:
        step = next(steps)
        while True:
            try:
                rows = _do(cursor, step)
            except BaseException as error:
                step = steps.throw(error)
            else:
                step = steps.send(rows)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]


async def run_async(cursor: AsyncRawCursor[Columns], steps: Steps[T]) -> T:
    """Perform the steps on an asynchronous RawCursor and return their result."""
    try:
        step = next(steps)
        while True:
            try:
                rows = await _do_async(cursor, step)
            except BaseException as error:
                step = steps.throw(error)
            else:
                step = steps.send(rows)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]


def _has_rows(cursor: RawCursor[Columns] | AsyncRawCursor[Columns]) -> bool:
    return cursor.pgresult is not None and cursor.pgresult.nfields > 0


def _do(cursor: RawCursor[Columns], step: Step) -> Rows:
    if isinstance(step, Run):
        cursor.execute(step.sql, step.params)
        return cursor.fetchall() if _has_rows(cursor) else []
    with ExitStack() as open_:
        copy = open_.enter_context(cursor.copy(step.sql))
        for piece in step.pieces:
            copy.write(piece)
        if step.ahead is not None:
            _end(cursor, open_.pop_all(), step.ahead)
    return []


def _end(
    cursor: RawCursor[Columns], open_: ExitStack, ahead: Ahead[bytes] | Ahead[list[Item]]
) -> None:
    """Wait for the end of a COPY, and meanwhile make the data that comes after it."""
    with ThreadPoolExecutor(1, "actorq-copy") as pool, DefaultSelector() as server:
        server.register(cursor.connection, EVENT_READ)
        ended = pool.submit(open_.close)
        # The closing thread may wait 5 ms for the GIL; the socket is readable as soon as the
        # server answers.
        ahead.make(COPY_PIECES, until=lambda: ended.done() or bool(server.select(0)))
    ended.result()


async def _do_async(cursor: AsyncRawCursor[Columns], step: Step) -> Rows:
    if isinstance(step, Run):
        await cursor.execute(step.sql, step.params)
        return await cursor.fetchall() if _has_rows(cursor) else []
    async with cursor.copy(step.sql) as copy:
        for piece in step.pieces:
            await copy.write(piece)
    return []
