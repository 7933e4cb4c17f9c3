"""Results: from what a handler returns to JSON text that the database stores.

A whole batch is encoded in one call if possible. Only if that fails or looks suspicious is each
result tried by itself, so that one bad result affects only its own job. A value that has no JSON
form is stored in a sensible form if there is one, rather than losing what was computed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from actorq.actor.texts import summary
from actorq.args import arrays as arrays_
from actorq.args import foreign
from actorq.args.json_value import Fitting, Unfit
from actorq.args.where import place_of
from actorq.core.job.model import ErrorInfo
from actorq.core.job.outcome import Outcome
from actorq.core.job.policy import Arrays, Nan
from actorq.errors import ActorqError

MAX_RESULT = 1_000_000

_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


class ResultRefused(ActorqError):
    """A result that cannot be stored, and why."""


class Results:
    """The encoder of one kind's results; if it stores none, everything becomes None.

    `nan` says what becomes of NaN and infinity (None: null). `arrays` says whether numpy's arrays
    are packed or lists.
    """

    def __init__(
        self,
        store: bool = True,
        max_bytes: int = MAX_RESULT,
        *,
        nan: Nan | None = None,
        arrays: Arrays = "packed",
    ) -> None:
        self.store = store
        self.max_bytes = max_bytes
        self.packs = arrays == "packed"
        self._nan: Nan = nan or "null"
        self._hook = arrays_.packed if self.packs else foreign.plain
        self._encode = msgspec.json.Encoder(enc_hook=self._hook)

    def one(self, value: object) -> bytes | None:
        """Return the JSON of one result, None if there is none to store; raises ResultRefused."""
        if value is None or not self.store:
            return None
        try:
            data = self._encode.encode(value)
            if self._nan != "null" and b"null" in data:
                data = self._closely(value)
        except Unfit as unfit:
            raise ResultRefused(f"the result: {unfit.text()}") from None
        except BaseException as error:  # raised by an object's own hooks
            raise self._refused(value, error) from None
        self._check(data, value)
        return data

    def many(self, values: Sequence[object]) -> list[bytes] | None:
        """Return the JSON of results, none of them None; or None if one needs a closer look."""
        try:
            data = self._encode.encode_lines(values)
        except BaseException:  # encoding each result alone will show which one is at fault
            return None
        if b"\\u0000" in data or (self._nan != "null" and b"null" in data):
            return None
        lines = data.split(b"\n")
        lines.pop()
        if len(lines) != len(values) or max(map(len, lines)) > self.max_bytes:
            return None
        return lines

    def _closely(self, value: object) -> bytes:
        plain = msgspec.to_builtins(value, enc_hook=self._hook)
        return msgspec.json.encode(Fitting(self._nan, big=True).of(plain))

    def _refused(self, value: object, error: BaseException) -> ResultRefused:
        where = place_of(value, self._encode.encode, self._hook)
        if isinstance(error, UnicodeEncodeError):
            return ResultRefused(
                f"a text in the result holds a lone surrogate: it is not Unicode - at `{where}`: "
                "replace it, by text.encode('utf-8', 'replace').decode()"
            )
        return ResultRefused(
            f"the result cannot be written as JSON: {summary(error)} - at `{where}`"
        )

    def _check(self, data: bytes, value: object) -> None:
        if len(data) > self.max_bytes:
            raise ResultRefused(
                f"the result has {len(data):,} bytes as JSON, {self.max_bytes:,} are allowed: "
                "keep large data elsewhere and return where it is"
            )
        if b"\\u0000" in data and _NUL.search(data):
            where = place_of(value, self._no_nul, self._hook)
            raise ResultRefused(
                "a text in the result holds the NUL character, which PostgreSQL cannot store - at "
                f"`{where}`: take it out, for instance by text.replace('\\0', '')"
            )

    def _no_nul(self, value: object) -> None:
        if _NUL.search(self._encode.encode(value)):
            raise ValueError


def refusal(error: ResultRefused) -> ErrorInfo:
    """Return the failure of a job whose result was refused."""
    return ErrorInfo("ResultRefused", str(error), cause="result")


def has_outcomes(values: Sequence[object]) -> bool:
    """Return whether any of the values is an outcome instead of a plain result."""
    return any(issubclass(kind, Outcome) for kind in set(map(type, values)))


def as_list(returned: Any, packed: bool = False) -> list[object] | tuple[object, ...] | None:
    """Return the rows of what a batch handler returned, or None if it is no sequence.

    Rows of an array stay arrays if they are to be packed.
    """
    if isinstance(returned, list | tuple):
        return returned
    if packed and arrays_.is_array_type(type(returned)) and returned.ndim > 1:
        return list(returned)
    rows: list[object] | None = foreign.rows_of(returned)
    return rows
