"""Which plain values JSON, PostgreSQL and the actor all preserve, and what becomes of others."""

from __future__ import annotations

import base64
import binascii
import math
from typing import Any

import msgspec

from actorq.args.where import shown
from actorq.core.job.policy import Nan
from actorq.errors import ArgsTooLarge

MAX_DEPTH = 64
INT_MIN, INT_MAX = -(2**63), 2**64 - 1

BYTE_TYPES = (bytes, bytearray, memoryview)

BYTES = "~bytes"
"""The only key of the object that stands for bytes if no type says that a text is base64."""


class Unfit(Exception):
    """A value that cannot be preserved; collects the path to it on the way up."""

    def __init__(self, reason: str, advice: str = "") -> None:
        super().__init__(reason)
        self.reason, self.advice, self.path = reason, advice, ""

    def text(self) -> str:
        """Return the reason, the place, and what to do."""
        return f"{self.reason} - at `${self.path}`{self.advice and f': {self.advice}'}"


class Fitting:
    """The rules that make plain values fit: each is visited once, and replaced in place if needed.

    Integers of any size pass if `big`, because no type will limit them when they are read. Bytes
    pass as keys if `bytes_keys`, because a type then says that they are base64.
    """

    def __init__(self, nan: Nan, *, big: bool = False, bytes_keys: bool = False) -> None:
        self.nan, self.big, self.bytes_keys = nan, big, bytes_keys

    def of(self, value: Any, depth: int = 0) -> Any:
        """Return a plain value that JSON, PostgreSQL and the actor all preserve; raises Unfit."""
        kind = type(value)
        if kind is str:
            if "\0" in value:
                raise Unfit(
                    "a text holds the NUL character, which PostgreSQL cannot store",
                    "take it out, for instance by text.replace('\\0', '')",
                )
        elif kind is float:
            return value if math.isfinite(value) else self._not_finite(value)
        elif kind is int:
            if not self.big and not INT_MIN <= value <= INT_MAX:
                raise Unfit("a number is beyond 64 bits", "give it as text")
        elif kind is dict or kind is list:
            if depth == MAX_DEPTH:
                raise ArgsTooLarge(f"the args are nested deeper than {MAX_DEPTH} levels")
            return self._dict(value, depth + 1) if kind is dict else self._list(value, depth + 1)
        elif kind in BYTE_TYPES:
            return {BYTES: binascii.b2a_base64(value, newline=False).decode("ascii")}
        return value

    def _not_finite(self, value: float) -> str | None:
        if self.nan == "error":
            raise Unfit(
                "NaN and infinity are not JSON numbers",
                'the kind\'s setting nan="null" or nan="string" lets them pass',
            )
        if self.nan == "null":
            return None
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"

    def _dict(self, value: dict[object, object], depth: int) -> dict[object, object]:
        if not all(type(key) is str for key in value):
            _check_keys(value)
        for key, item in value.items():
            try:
                self._check_key(key)
                value[key] = self.of(item, depth)
            except Unfit as unfit:
                unfit.path = f".{shown(key)}{unfit.path}"
                raise
        return value

    def _check_key(self, key: object) -> None:
        if type(key) is str:
            self.of(key)
        elif type(key) is bytes and not self.bytes_keys:
            raise Unfit("bytes are a key, which JSON has as text only", "write a text")

    def _list(self, value: list[Any], depth: int) -> list[object]:
        if set(map(type, value)) == {float} and all(map(math.isfinite, value)):
            return value
        for index, item in enumerate(value):
            try:
                value[index] = self.of(item, depth)
            except Unfit as unfit:
                unfit.path = f"[{index}]{unfit.path}"
                raise
        return value


def with_bytes(value: object) -> object:
    """Return plain values in which objects that stand for bytes are bytes again."""
    if isinstance(value, list):
        return [with_bytes(item) for item in value]
    if not isinstance(value, dict):
        return value
    text = value.get(BYTES)
    if isinstance(text, str) and len(value) == 1:
        try:
            return base64.b64decode(text, validate=True)
        except ValueError:
            return value
    return {key: with_bytes(item) for key, item in value.items()}


def _check_keys(value: dict[object, object]) -> None:
    """Refuse keys that become the same text, like 1 and "1"."""
    texts = msgspec.json.decode(msgspec.json.encode(dict.fromkeys(value)), type=dict[str, None])
    if len(texts) != len(value):
        raise Unfit("two keys of an object are the same text in JSON", "make them differ")
