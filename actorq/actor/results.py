"""Results: from what a handler returns to JSON text that the database stores.

A whole batch is encoded in one call where it can be; only if that fails or looks suspicious is
each result tried by itself, so that one bad result costs only its own job.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from actorq.actor.texts import summary
from actorq.core.model import ErrorInfo
from actorq.core.outcome import Outcome
from actorq.errors import ActorqError

MAX_RESULT = 1_000_000

# Of the parent class: a subclass may answer anything.
_PLAIN: tuple[tuple[type, Callable[[Any], Any]], ...] = (
    (str, str.__str__),
    (float, float.__float__),
    (int, int.__int__),
)

_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


class ResultRefused(ActorqError):
    """Say why a result cannot be stored."""


class Results:
    """Encode the results of one kind; one that stores none encodes everything to None."""

    def __init__(self, store: bool = True, max_bytes: int = MAX_RESULT) -> None:
        self.store = store
        self.max_bytes = max_bytes
        self._encoder = msgspec.json.Encoder(enc_hook=_hook)

    def one(self, value: Any) -> bytes | None:
        """Return the JSON of one result, None for none to store; raises ResultRefused."""
        if value is None or not self.store:
            return None
        try:
            data = self._encoder.encode(value)
        except BaseException as error:  # an object's own hooks run in there
            raise ResultRefused(f"the result cannot be written as JSON: {summary(error)}") from None
        self._check(data, value)
        return data

    def many(self, values: Sequence[Any]) -> list[bytes] | None:
        """Return the JSON of results none of which is None, or None if one needs a closer look."""
        try:
            data = self._encoder.encode_lines(values)
        except BaseException:  # whose fault it is comes out when each is encoded alone
            return None
        if b"null" in data or b"\\u0000" in data:
            return None
        lines = data.split(b"\n")
        lines.pop()
        if len(lines) != len(values) or max(map(len, lines)) > self.max_bytes:
            return None
        return lines

    def _check(self, data: bytes, value: Any) -> None:
        if len(data) > self.max_bytes:
            raise ResultRefused(
                f"the result has {len(data):,} bytes as JSON, {self.max_bytes:,} are allowed: "
                "keep large data elsewhere and return where it is"
            )
        if b"null" in data and not _all_finite(value):
            raise ResultRefused("the result holds NaN or infinity, which are not JSON numbers")
        if b"\\u0000" in data and _NUL.search(data):
            raise ResultRefused("a text in the result holds the NUL character")


def refusal(error: ResultRefused) -> ErrorInfo:
    """Return the failure of a job whose result was refused."""
    return ErrorInfo("ResultRefused", str(error), cause="result")


def has_outcomes(values: Sequence[Any]) -> bool:
    """Return whether any of the values is an outcome instead of a plain result."""
    return any(issubclass(kind, Outcome) for kind in set(map(type, values)))


def as_list(returned: Any) -> list[Any] | tuple[Any, ...] | None:
    """Return the rows of what a batch handler returned, or None if it is no sequence."""
    if isinstance(returned, list | tuple):
        return returned
    if _is_array(returned) or hasattr(type(returned), "__array__"):
        rows = returned.tolist() if _is_array(returned) else _array_of(returned).tolist()
        return rows if isinstance(rows, list) else None
    return None


def _is_array(value: object) -> bool:
    """Return whether this is an array or scalar of numpy or of a library that follows it."""
    return hasattr(value, "dtype") and hasattr(value, "tolist")


def _array_of(value: object) -> Any:
    import numpy  # something with __array__ is at hand, so numpy is loaded

    return numpy.asarray(value)


def _hook(value: Any) -> Any:
    """Return what to write for a value that msgspec does not know."""
    if _is_array(value):
        return value.tolist()
    for parent, plain in _PLAIN:
        if isinstance(value, parent):
            return plain(value)
    raise TypeError(f"objects of type {type(value).__qualname__} are not supported in results")


def _all_finite(value: Any) -> bool:
    """Return whether no float in a value that could be encoded is NaN or infinite."""
    stack = [msgspec.to_builtins(value, enc_hook=_hook)]
    while stack:
        item = stack.pop()
        if isinstance(item, float):
            if not math.isfinite(item):
                return False
        elif isinstance(item, dict):
            stack.extend(item.values())
        elif isinstance(item, list | tuple):
            stack.extend(item)
    return True
