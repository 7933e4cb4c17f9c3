"""When jobs are meant to arrive, and what each is to be; both follow from a seed."""

from __future__ import annotations

import bisect
import itertools
import math
import random
from collections.abc import Sequence
from typing import NamedTuple

from actorq.stress.core.plan import Arrivals, StressKind

FLAGS = ("", "f", "c", "h")
"""What becomes of a job: done; failed; its actor crashes; it hangs until its time is up."""


class Arrival(NamedTuple):
    """A job that is to come: `at_s` after the step's begin; `key` is empty for most."""

    at_s: float
    kind: int
    flag: str = ""
    key: str = ""
    delayed: bool = False


def offsets(rate: float, seconds: float, arrivals: Arrivals, rng: random.Random) -> list[float]:
    """Return the instants of a step's arrivals, in seconds from its begin, in order.

    Poisson arrivals are as many as chance brings; constant ones are rate · seconds, evenly spread
    from a random place of the first interval, so that several generators do not fire together.
    """
    if arrivals == "constant":
        first = rng.random() / rate
        return [first + n / rate for n in range(math.floor((seconds - first) * rate) + 1)]
    made, at_s = [], rng.expovariate(rate)
    while at_s < seconds:
        made.append(at_s)
        at_s += rng.expovariate(rate)
    return made


def arrivals_of(
    kinds: Sequence[StressKind], instants: Sequence[float], rng: random.Random
) -> list[Arrival]:
    """Return what arrives at each instant: its kind by its share, its fate by its rates."""
    if len(kinds) == 1 and _is_plain(kinds[0]):
        return [Arrival(at_s, 0) for at_s in instants]
    shares = list(itertools.accumulate(kind.share for kind in kinds))
    picked = rng.choices(range(len(kinds)), cum_weights=shares, k=len(instants))
    zipfs = [zipf_weights(kind.keys, kind.zipf) for kind in kinds]
    return [
        _arrival(at_s, n, kinds[n], zipfs[n], rng) for at_s, n in zip(instants, picked, strict=True)
    ]


def _is_plain(kind: StressKind) -> bool:
    return not (kind.fail or kind.crash or kind.hang or kind.keys or kind.delayed)


def _arrival(
    at_s: float, n: int, kind: StressKind, zipf: Sequence[float], rng: random.Random
) -> Arrival:
    fates = (kind.fail, kind.fail + kind.crash, kind.fail + kind.crash + kind.hang)
    fate = bisect.bisect_right(fates, rng.random())
    key = f"key-{bisect.bisect_left(zipf, rng.random() * zipf[-1])}" if zipf else ""
    flag = FLAGS[fate + 1] if fate < len(fates) else ""
    return Arrival(at_s, n, flag, key, rng.random() < kind.delayed)


def zipf_weights(n: int, exponent: float) -> list[float]:
    """Return the sums of 1/k^exponent for k from 1 to n: key k is drawn by its part of them."""
    return list(itertools.accumulate(k**-exponent for k in range(1, n + 1)))


def split(n: int, parts: int) -> list[int]:
    """Return n in so many parts, as even as can be."""
    return [n // parts + (part < n % parts) for part in range(parts)]
