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
    """Return the seconds of a setting, or raise a ConfigError that names it and its range."""
    found = seconds_of(value)
    if found is not None and low_s <= found <= high_s:
        return found
    shown = repr(value)
    shown = shown if len(shown) <= 80 else f"{shown[:77]}…"
    raise ConfigError(
        f"{name}={shown} must be from {low_s:,.12g} to {high_s:,.12g} seconds: a number, a "
        "timedelta, or text like '90s', '1h30m' or '7d'"
    )


def _read(text: str) -> float | None:
    found = _TEXT.fullmatch(text) if len(text) <= MAX_CHARS else None
    if found is None:
        return None
    if found[1] is not None:
        return float(found[1])
    return sum(float(n) * UNITS_S[unit] for n, unit in _PART.findall(text))
