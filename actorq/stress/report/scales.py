"""Axes: from values to places, with ticks at round values."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple, Protocol


class AxisTick(NamedTuple):
    """A mark on an axis."""

    value: float
    label: str


class Scale(Protocol):
    """An axis from `begin` to `end` in units of the picture."""

    def at(self, value: float) -> float:
        """Return the place of a value."""

    def ticks(self) -> list[AxisTick]:
        """Return its marks."""


class LinearScale:
    """An axis on which equal differences are equally far apart."""

    def __init__(self, low: float, high: float, begin: float, end: float, n_ticks: int = 4) -> None:
        self._low, self._high = low, high if high > low else low + 1.0
        self._begin, self._end, self._n = begin, end, n_ticks

    def at(self, value: float) -> float:
        """Return the place of a value."""
        share = (value - self._low) / (self._high - self._low)
        return self._begin + share * (self._end - self._begin)

    def ticks(self) -> list[AxisTick]:
        """Return marks at multiples of 1, 2 or 5 times a power of ten."""
        step = round_step((self._high - self._low) / self._n)
        first = math.ceil(self._low / step - 1e-9)
        last = math.floor(self._high / step + 1e-9)
        return [AxisTick(n * step, short(n * step)) for n in range(first, last + 1)]


class LogScale:
    """An axis on which equal ratios are equally far apart."""

    def __init__(self, low: float, high: float, begin: float, end: float, n_ticks: int = 6) -> None:
        self._low = math.log10(low)
        self._high = max(math.log10(high), self._low + 0.3)
        self._begin, self._end, self._n = begin, end, n_ticks

    def at(self, value: float) -> float:
        """Return the place of a value; what is below the axis is at its begin."""
        share = (math.log10(max(value, 1e-12)) - self._low) / (self._high - self._low)
        return self._begin + max(0.0, share) * (self._end - self._begin)

    def ticks(self) -> list[AxisTick]:
        """Return marks at 1, 2 and 5 times powers of ten, or at powers alone if these suffice."""
        for factors in ((1, 2, 5), (1, 3), (1,)):
            found = self._at(factors)
            if len(found) <= self._n:
                return found
        return found[:: math.ceil(len(found) / self._n)]

    def _at(self, factors: Iterable[int]) -> list[AxisTick]:
        powers = range(math.floor(self._low), math.ceil(self._high) + 1)
        values = [factor * 10.0**power for power in powers for factor in factors]
        inside = [v for v in values if self._low - 1e-9 <= math.log10(v) <= self._high + 1e-9]
        return [AxisTick(value, short(value)) for value in inside]


def round_step(least: float) -> float:
    """Return the least of 1, 2, 5 times a power of ten that is not below `least`."""
    power = 10.0 ** math.floor(math.log10(max(least, 1e-9)))
    return next(f * power for f in (1, 2, 5, 10) if f * power >= least * (1 - 1e-9))


def short(value: float) -> str:
    """Return a number in few characters: 1.5k, 20M, 0.05."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size * 0.9995:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"
