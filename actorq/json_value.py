"""Which plain values JSON, PostgreSQL and the actor all keep as they are."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from actorq.errors import ArgsTooLarge

MAX_DEPTH = 64
INT_MIN, INT_MAX = -(2**63), 2**64 - 1


class Unfit(Exception):
    """Collect the path to a value while it travels up."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason, self.path = reason, ""

    def text(self) -> str:
        """Return the reason and the place."""
        return f"{self.reason} - at `${self.path}`"


def check(value: Any, depth: int) -> None:
    """Raise unless a plain value is one that JSON, PostgreSQL and the actor all keep."""
    kind = type(value)
    if kind is str:
        if "\0" in value:
            raise Unfit("a text holds the NUL character, which PostgreSQL cannot store")
    elif kind is float:
        if not math.isfinite(value):
            raise Unfit("NaN and infinity are not JSON numbers")
    elif kind is int:
        if not INT_MIN <= value <= INT_MAX:
            raise Unfit("a number is beyond 64 bits")
    elif kind is dict or kind is list:
        if depth == MAX_DEPTH:
            raise ArgsTooLarge(f"the args are nested deeper than {MAX_DEPTH} levels")
        if kind is dict:
            _check_dict(value, depth + 1)
        else:
            _check_list(value, depth + 1)


def _check_dict(value: dict[Any, Any], depth: int) -> None:
    if not all(type(key) is str for key in value):
        _check_keys(value)
    for key, item in value.items():
        try:
            check(key, depth)
            check(item, depth)
        except Unfit as unfit:
            unfit.path = f".{str(key)[:40]}{unfit.path}"
            raise


def _check_list(value: list[Any], depth: int) -> None:
    if set(map(type, value)) == {float} and all(map(math.isfinite, value)):
        return
    for index, item in enumerate(value):
        try:
            check(item, depth)
        except Unfit as unfit:
            unfit.path = f"[{index}]{unfit.path}"
            raise


def _check_keys(value: dict[Any, Any]) -> None:
    """Refuse keys that become one and the same text, like 1 and "1"."""
    texts = msgspec.json.decode(msgspec.json.encode(dict.fromkeys(value)), type=dict[str, None])
    if len(texts) != len(value):
        raise Unfit("two keys of an object are the same text in JSON")
