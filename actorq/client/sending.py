"""What is sent to the database for one job, or for many.

Every enqueue, synchronous or not, of an app or of a kind, passes through here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Generic, NamedTuple, TypeVar

from actorq.args.codec import ArgsCodec
from actorq.args.options import Options, checked_key, checked_unique_key
from actorq.core.job.policy import KindPolicy
from actorq.english import a
from actorq.errors import EnqueueError
from actorq.loading import refuse_while_loading
from actorq.store.enqueue import enqueue
from actorq.store.enqueue.copy_data import Item, NewJob, Shared
from actorq.store.enqueue.enqueue import Steps, Transaction

T = TypeVar("T")


class Sending(NamedTuple, Generic[T]):
    """One enqueue: the steps to perform in a schema, and on which connection (None: our own).

    `steps` is called with the schema and with what makes several statements atomic. It checks and
    encodes args, which may take long.
    """

    steps: Callable[[str, Transaction], Steps[T]]
    conn: Any = None  # whatever has a psycopg connection behind it


def one(
    policy: KindPolicy, codec: ArgsCodec, value: object, options: Options, conn: object = None
) -> Sending[tuple[int, bool]]:
    """Return the enqueue of one job; when sent, it returns its id, and whether it is new."""

    def steps(schema: str, _: Transaction) -> Steps[tuple[int, bool]]:
        if callable(options.key) or callable(options.unique_key):
            raise EnqueueError("key and unique_key can be functions only in enqueue_many")
        shared, args = _shared(schema, policy, options), codec.encode(value)
        if options.unique_key is None:
            return _new(enqueue.one(shared, args))
        return enqueue.unique_one(shared, NewJob(args, options.key, options.unique_key))

    return Sending(steps, conn)


def many(
    policy: KindPolicy,
    codec: ArgsCodec,
    items: Iterable[object],
    options: Options,
    ids: bool,
    conn: object = None,
) -> Sending[int | list[int]]:
    """Return the enqueue of a job per item; it returns how many are new, or the ids in order.

    Items are encoded while they are sent.
    """
    if isinstance(items, str | bytes | bytearray | Mapping):
        raise EnqueueError(
            f"items must be the args of many jobs, one after the other, not {a(items)}: one job "
            "is enqueued by enqueue(…)"
        )

    def steps(schema: str, around: Transaction) -> Steps[int | list[int]]:
        shared = _shared(schema, policy, options)
        if options.unique_key is not None:
            if not callable(options.unique_key):
                raise EnqueueError("unique_key must be a function of the args in enqueue_many")
            rows = list(_rows(codec, items, options))
            return _unique_many(enqueue.unique_many(shared, rows, around), ids)
        encoded: Iterator[Item] = _encoded(codec, items)
        if callable(options.key):
            encoded = _rows(codec, items, options)
        if ids:
            return enqueue.many_with_ids(shared, encoded, around)
        if shared.is_now:
            return enqueue.many(shared, encoded, around)
        return _counted(enqueue.many_with_ids(shared, encoded, around))

    return Sending(steps, conn)


def _shared(schema: str, policy: KindPolicy, options: Options) -> Shared:
    refuse_while_loading("a job was enqueued")
    return Shared.of(schema, policy, options)


def _encoded(codec: ArgsCodec, items: Iterable[object]) -> Iterator[bytes]:
    encode, arrange = codec.encode, codec.arrange_item
    plain = codec.function is None
    for n, item in enumerate(items):
        try:
            args = encode(item if plain else arrange(item))
        except EnqueueError as error:
            raise _of_item(n, error) from None
        yield args


def _rows(codec: ArgsCodec, items: Iterable[object], options: Options) -> Iterator[NewJob]:
    """Encode items that have keys of their own, made by the caller's functions."""
    for n, item in enumerate(items):
        key, unique_key = options.key, ""
        try:
            if callable(options.key):
                key = checked_key(options.key(item))
            if options.unique_key is not None:
                unique_key = checked_unique_key(options.unique_key(item))
            row = NewJob(codec.encode(codec.arrange_item(item)), key, unique_key)
        except EnqueueError as error:
            raise _of_item(n, error) from None
        yield row


def _of_item(n: int, error: EnqueueError) -> EnqueueError:
    made = type(error)(f"item {n}: {error}; none of the call's jobs is enqueued")
    made.item, made.reason = n, str(error)
    return made


def _new(steps: Steps[int]) -> Steps[tuple[int, bool]]:
    return (yield from steps), True


def _unique_many(steps: Steps[list[tuple[int, bool]]], ids: bool) -> Steps[int | list[int]]:
    held = yield from steps
    return [id_ for id_, _ in held] if ids else sum(is_new for _, is_new in held)


def _counted(steps: Steps[list[int]]) -> Steps[int]:
    return len((yield from steps))
