"""The search for the knee as a state machine: which rate to try next, told what became of the last.

Double until a step is not borne; where the first is not, halve until one is. Then bisect, each time
at the geometric mean, since what counts is the ratio of two rates. Then run factors of the knee.
"""

from __future__ import annotations

import math
from typing import Literal

import msgspec

from actorq.stress.core.figures import StepEnd, StepRole
from actorq.stress.core.plan import LoadPlan

MAX_HALVINGS = 12
HALF = 0.5
"""Of the knee: where latency is told, since a system that is to last is not run at its limit."""


class Trial(msgspec.Struct, frozen=True):
    """A step to run: at what rate, and what for."""

    rate: float
    role: StepRole
    factor: float | None = None


class Search(msgspec.Struct, frozen=True, kw_only=True):
    """How far a search has come; `held` and `broken` are the rates next to the knee."""

    load: LoadPlan
    phase: Literal["double", "halve", "bisect", "curve", "ended"]
    held: float | None = None
    broken: float | None = None
    broken_end: StepEnd | None = None
    n_bisected: int = 0
    n_halved: int = 0
    again: bool = False  # the last step was unsteady: the same once more
    ahead: tuple[Trial, ...] = ()

    @property
    def knee(self) -> float | None:
        """Return the highest rate that was borne below all that were not."""
        return self.held


def begin(load: LoadPlan) -> Search:
    """Return a search that has not begun; with given rates, all there is to do lies ahead."""
    if load.rates:
        ahead = tuple(Trial(rate, "given") for _ in range(load.repeats) for rate in load.rates)
        return Search(load=load, phase="curve", ahead=ahead)
    return Search(load=load, phase="double")


def wanted(search: Search) -> Trial | None:
    """Return the step to run next; None at the end."""
    load = search.load
    match search.phase:
        case "double":
            rate = load.first_rate if search.held is None else search.held * 2
            return Trial(min(rate, load.max_rate), "double")
        case "halve":
            return Trial((search.broken or load.first_rate) / 2, "halve")
        case "bisect":
            return Trial(math.sqrt((search.held or 1.0) * (search.broken or 1.0)), "bisect")
        case "curve":
            return search.ahead[0] if search.ahead else None
    return None


def advance(search: Search, end: StepEnd) -> Search:
    """Return the search after the wanted step ended so."""
    trial = wanted(search)
    if trial is None or end == "cut short":
        return msgspec.structs.replace(search, phase="ended", ahead=())
    if search.phase == "curve":
        return msgspec.structs.replace(search, ahead=search.ahead[1:])
    if end == "unsteady" and not search.again:
        return msgspec.structs.replace(search, again=True)
    is_held = end == "held"
    known = msgspec.structs.replace(
        search,
        again=False,
        held=trial.rate if is_held else search.held,
        broken=search.broken if is_held else trial.rate,
        broken_end=search.broken_end if is_held else end,
        n_bisected=search.n_bisected + (search.phase == "bisect"),
        n_halved=search.n_halved + (search.phase == "halve"),
    )
    return _moved_on(known)


def _moved_on(search: Search) -> Search:
    """Return the search in its next phase."""
    load, held, broken = search.load, search.held, search.broken
    if held is None:
        if search.n_halved >= MAX_HALVINGS or (broken or 0) / 2 < 0.1:
            return msgspec.structs.replace(search, phase="ended")
        return msgspec.structs.replace(search, phase="halve")
    if broken is None:
        return search if held < load.max_rate else _to_curve(search, held)
    if search.n_bisected >= load.bisections:
        return _to_curve(search, held)
    return msgspec.structs.replace(search, phase="bisect")


def _to_curve(search: Search, knee: float) -> Search:
    """Return the search at its last part: repeats of the half lie first and among the others."""
    load = search.load
    trials = [Trial(knee * factor, "curve", factor) for factor in load.factors if factor != HALF]
    every = len(trials) // load.repeats + 1
    for n in range(load.repeats):
        trials.insert(n * (every + 1), Trial(knee * HALF, "curve", HALF))
    return msgspec.structs.replace(search, phase="curve", ahead=tuple(trials))
