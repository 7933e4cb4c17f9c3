"""The data of COPY in text form: jobs as rows, several hundred per piece."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import repeat
from operator import add
from typing import NamedTuple, TypeVar, cast

import msgspec

from actorq.args.options import Options
from actorq.core.job.policy import KindPolicy

PIECE_ROWS = 500
PIECE_BYTES = 256 * 1024


class Shared(msgspec.Struct, frozen=True, kw_only=True):
    """What all jobs of one call have in common."""

    schema: str
    kind: str
    queue: str
    priority: int = 5
    run_at: datetime | None = None
    delay_s: float = 0.0
    max_attempts: int | None = None
    tags: Sequence[str] = ()
    key: str = ""

    @classmethod
    def of(cls, schema: str, policy: KindPolicy, options: Options) -> Shared:
        """Return what the options mean for jobs of a kind, with its defaults."""
        return cls(
            schema=schema,
            kind=policy.name,
            queue=options.queue or policy.queue,
            priority=5 if options.priority is None else options.priority,
            run_at=options.run_at,
            delay_s=options.delay_s or 0.0,
            max_attempts=options.max_attempts,
            tags=options.tags,
            key="" if callable(options.key) else options.key,
        )

    @property
    def is_now(self) -> bool:
        """Return whether the jobs are due at once."""
        return self.run_at is None and self.delay_s == 0.0


class NewJob(NamedTuple):
    """What differs from job to job; `args` is JSON."""

    args: bytes
    key: str = ""
    unique_key: str = ""


Item = bytes | NewJob
"""The args of a job that shares its key with the others, or a job with its own keys."""

T = TypeVar("T")
I = TypeVar("I", bytes, NewJob, Item)  # noqa: E741

_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
_QUOTED = re.compile(r'(["\\])')


class Ahead(Iterator[T]):
    """An iterator over items that are being made; some may be made before they are asked for."""

    def __init__(self, source: Iterator[T]) -> None:
        self._source = source
        self._made: deque[T] = deque()

    def __next__(self) -> T:
        return self._made.popleft() if self._made else next(self._source)

    def make(self, n: int, until: Callable[[], bool]) -> None:
        """Make up to n items until `until` holds."""
        while len(self._made) < n and not until():
            try:
                self._made.append(next(self._source))
            except StopIteration:
                return


class Pieces(Iterator[bytes]):
    """Jobs as COPY data, several hundred rows at a time, and their count."""

    def __init__(self, shared: Shared, items: Iterable[Item]) -> None:
        self.n_rows = 0
        self._shared = shared
        self._constants = constants_of(shared)
        self._chunks = chunked(items, PIECE_ROWS, PIECE_BYTES)

    def __next__(self) -> bytes:
        chunk = next(self._chunks)
        self.n_rows += len(chunk)
        return _rows(self._constants, self._shared.key, chunk)


def pieces_with_ids(
    shared: Shared, at: str, ids: list[int], chunks: Iterator[list[Item]], used: list[int]
) -> Iterator[bytes]:
    """Do the same with ids and an instant, until the ids may not suffice for another piece."""
    constants = b"%b\t%b" % (at.encode(), constants_of(shared))
    start = 0
    for chunk in chunks:
        taken = ids[start : start + len(chunk)]
        used += taken
        start += len(chunk)
        yield _rows(constants, shared.key, chunk, [b"%d\t" % id_ for id_ in taken])
        if len(ids) - start < PIECE_ROWS:
            return


def _rows(
    constants: bytes, key: str, chunk: Sequence[Item], ids: Sequence[bytes] | None = None
) -> bytes:
    """Return rows of COPY data: constants, key, id if there are any, args."""
    prefixes = repeat(b"") if ids is None else ids
    if isinstance(chunk[0], NewJob):
        pairs = zip(prefixes, cast(Sequence[NewJob], chunk), strict=False)
        return b"".join(
            b"%b%b\t%b%b\n" % (constants, _field(job.key), prefix, _escaped(job.args))
            for prefix, job in pairs
        )
    args = cast(Sequence[bytes], chunk)
    lines = args if ids is None else map(add, ids, args)
    start = b"%b%b\t" % (constants, _field(key))
    # JSON as it is written here holds no raw control characters: a line feed ends a row.
    return start + _escaped(b"\n".join(lines)).replace(b"\n", b"\n" + start) + b"\n"


def _escaped(json: bytes) -> bytes:
    return json.replace(b"\\", b"\\\\")


def chunked(items: Iterable[I], max_rows: int, max_bytes: int) -> Iterator[list[I]]:
    """Yield the items in lists of at most so many rows, cut earlier at so many bytes."""
    chunk: list[I] = []
    size = 0
    for item in items:
        chunk.append(item)
        size += len(item.args) if isinstance(item, NewJob) else len(item)
        if len(chunk) == max_rows or size >= max_bytes:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def constants_of(shared: Shared) -> bytes:
    """Return the columns that are the same in every row: queue to tags."""
    attempts = rb"\N" if shared.max_attempts is None else b"%d" % shared.max_attempts
    fields = (_field(shared.queue), _field(shared.kind), b"%d" % shared.priority, attempts)
    return b"\t".join((*fields, _array(shared.tags), b""))


def _field(text: str) -> bytes:
    return text.translate(_ESCAPES).encode()


def _array(texts: Sequence[str]) -> bytes:
    if not texts:
        return rb"\N"
    quoted = ",".join('"' + _QUOTED.sub(r"\\\1", text) + '"' for text in texts)
    return _field("{" + quoted + "}")
