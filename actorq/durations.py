"""Durations as people write them: seconds, a timedelta, or text like `90s`, `1h30m`, `7d`.

This is the only parser, for every setting, option and argument; internally all are seconds.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TypeAlias

from actorq.errors import ConfigError

Duration: TypeAlias = float | timedelta | str
"""Seconds; a timedelta; or text: numbers with a unit each, or one number of seconds."""

UNITS_S = {"w": 604_800.0, "d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}

FORMS = (
    "give a number of seconds, a timedelta, or text of numbers with a unit each, of ms, s, m, h, d "
    "and w, like '90s', '1h30m' or '2w'"
)

MAX_CHARS = 100
CENTURY_S = 100 * 365.25 * 86_400
"""The longest duration that makes sense if nothing else limits it."""

_NUMBER = r"[0-9]+(?:\.[0-9]*)?|\.[0-9]+"
_PART = re.compile(rf"({_NUMBER})\s*(ms|[wdhms])\s*")
_TEXT = re.compile(rf"\s*(?:({_NUMBER})|(?:{_PART.pattern.replace('(', '(?:', 1)})+)\s*")


def seconds_of(value: object) -> float | None:
    """Return the seconds that a value means, None if it means none; NaN means none.

    A number is returned unchanged: whole seconds stay whole.
    """
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, str):
        return _read(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if value == value else None


def check_duration(name: str, value: object, low_s: float, high_s: float) -> float:
    """Return the seconds of a setting, or raise a ConfigError that names it and says why."""
    found = seconds_of(value)
    if found is not None and low_s <= found <= high_s:
        return found
    shown = repr(value)
    shown = shown if len(shown) <= 80 else f"{shown[:77]}…"
    raise ConfigError(f"{name}={shown} {what_is_wrong(value, low_s, high_s)}")


def what_is_wrong(value: object, low_s: float, high_s: float) -> str:
    """Return why a value is not a span of time within these limits, to be put after the value."""
    found, limits = seconds_of(value), f"from {low_s:,.12g} to {high_s:,.12g} seconds"
    if found is None:
        is_negative = isinstance(value, str) and seconds_of(value.strip().removeprefix("-"))
        what = "is negative" if is_negative else "is no span of time"
        return f"{what}: it must be {limits}; {FORMS}"
    which = f"more than {_span(high_s)}" if found > high_s else f"less than {_span(low_s)}"
    return f"is {which}: it must be {limits}"


def _span(seconds: float) -> str:
    """Return a limit in its largest whole unit."""
    if seconds == CENTURY_S:
        return "100 years"
    for unit in ("d", "h"):
        if seconds >= 2 * UNITS_S[unit] and seconds % UNITS_S[unit] == 0:
            return f"{seconds / UNITS_S[unit]:g}{unit}"
    return f"{seconds:,.12g} s"


def _read(text: str) -> float | None:
    found = _TEXT.fullmatch(text) if len(text) <= MAX_CHARS else None
    if found is None:
        return None
    if found[1] is not None:
        return float(found[1])
    return sum(float(n) * UNITS_S[unit] for n, unit in _PART.findall(text))
