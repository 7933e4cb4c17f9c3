"""Instants and spans finer or coarser than Python's own, as ISO 8601 text.

If Python's types can hold a value, the text is the one that msgspec writes for those, so that a
typed reader gets a datetime or timedelta.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from actorq.args import foreign_protocols as theirs

_UNIT = re.compile(r"[Mm]8\[(\d*)(\w+)\]")
_DAYS = ("Y", "M", "W", "D")
_SECONDS = ("h", "m", "s")
_ATTO = 10**18
_ATTOSECONDS = {
    "W": 604_800 * _ATTO,
    "D": 86_400 * _ATTO,
    "h": 3600 * _ATTO,
    "m": 60 * _ATTO,
    "s": _ATTO,
    "ms": 10**15,
    "us": 10**12,
    "ns": 10**9,
    "ps": 10**6,
    "fs": 10**3,
    "as": 1,
}


def instant(value: theirs.NumpyValue) -> str | float:
    """Return a numpy.datetime64 as a date or as date and time, NaT as NaN."""
    if value != value:
        return math.nan
    _, unit = _unit_of(value)
    if unit in _DAYS:
        return str(value.astype("M8[D]"))
    return _trimmed(str(value.astype("M8[s]") if unit in _SECONDS else value))


def span(value: theirs.NumpyValue) -> str | float:
    """Return a numpy.timedelta64 as a duration, NaT as NaN, and as a number if it has no unit."""
    if value != value:
        return math.nan
    multiple, unit = _unit_of(value)
    n = int(value.astype("i8")) * multiple
    if unit in ("Y", "M"):
        return f"{'-' if n < 0 else ''}P{abs(n)}{unit}"
    return duration(n * _ATTOSECONDS[unit]) if unit else n


def timestamp(value: theirs.Timestamp) -> str:
    """Return a pandas.Timestamp, with nanoseconds if it has any."""
    text = value.isoformat()
    return text[:-6] + "Z" if text.endswith("+00:00") else text


def timedelta(value: theirs.Timedelta) -> str:
    """Return a pandas.Timedelta, with nanoseconds if it has any."""
    microseconds = (value.days * 86_400 + value.seconds) * 10**6 + value.microseconds
    return duration((microseconds * 1000 + value.nanoseconds) * 10**9)


def duration(attoseconds: int) -> str:
    """Return a span of time as msgspec writes it, with as many digits as it needs."""
    seconds, fraction = divmod(abs(attoseconds), _ATTO)
    days, seconds = divmod(seconds, 86_400)
    digits = f".{fraction:018d}".rstrip("0").rstrip(".")
    time = f"T{seconds}{digits}S" if seconds or fraction else ""
    sign = "-" if attoseconds < 0 else ""
    return f"{sign}P{days}D{time}" if days or not time else f"{sign}P{time}"


def _unit_of(value: theirs.NumpyValue) -> tuple[int, str]:
    found = _UNIT.search(value.dtype.str)
    return (int(found[1] or 1), found[2]) if found else (1, "")


def _trimmed(text: str) -> str:
    """Return an instant with no fraction, six digits of it, or as many more as it needs."""
    whole, _, fraction = text.partition(".")
    fraction = fraction.rstrip("0")
    return f"{whole}.{fraction:0<6}" if fraction else whole
