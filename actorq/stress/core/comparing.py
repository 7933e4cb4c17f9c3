"""Two plans, or a test and an earlier one, side by side: what differs by more than chance."""

from __future__ import annotations

import random
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from actorq.stress.core.figures import ComparedFigures, StepFigures, StressReport
from actorq.stress.core.spread import interval

WORSE = 0.1
"""A single figure has to be worse by a tenth before it is worth a sentence."""

CONDITIONS = ("settings", "machine", "versions", "git", "place")
CHANGING = {"load_1m", "fdatasync_us", "place"}
"""What differs between any two tests, and what names a directory of its own."""


def figures_by_name(steps: Sequence[StepFigures]) -> dict[str, float]:
    """Return the figures of some steps that can be compared, by their names."""
    made: dict[str, list[float]] = {}
    for step in steps:
        if step.loop == "closed" and step.end == "held":
            made.setdefault("drained jobs/s", []).append(step.achieved)
        elif step.role == "given":
            for name in ("p50_ms", "p99_ms"):
                value = step.p(name)
                if value is not None:
                    shown = f"{name.removesuffix('_ms')} in ms at {step.rate:,.0f} jobs/s"
                    made.setdefault(shown, []).append(value)
    return {name: statistics.median(values) for name, values in made.items()}


def compared(
    pairs: Sequence[tuple[Mapping[str, float], Mapping[str, float]]], rng: random.Random
) -> list[ComparedFigures]:
    """Compare A and B, which ran in turns: by the ratio of each pair, of which the median counts.

    What disturbs a machine disturbs both of a pair (duet benchmarking, Bulej and others 2020).
    """
    names = list(dict.fromkeys(name for a, b in pairs for name in a if name in b))
    return [_compared(name, pairs, rng) for name in names]


def _compared(
    name: str,
    pairs: Sequence[tuple[Mapping[str, float], Mapping[str, float]]],
    rng: random.Random,
) -> ComparedFigures:
    both = [(a[name], b[name]) for a, b in pairs if a.get(name) and name in b]
    ratios = [b / a for a, b in both]
    ends = interval(ratios, rng)
    return ComparedFigures(
        name=name,
        a=round(statistics.median(a for a, _ in both), 3),
        b=round(statistics.median(b for _, b in both), 3),
        ratio=round(statistics.median(ratios), 4),
        interval=ends,
        n=len(both),
        says=_says(name, statistics.median(ratios), ends),
    )


def _says(name: str, ratio: float, ends: tuple[float, float] | None) -> str:
    if ends is None:
        return f"{name}: B is {_percent(ratio)} of A, from too few pairs to tell it from chance"
    if ends[0] <= 1.0 <= ends[1]:
        return f"{name}: no difference seen ({_percent(ends[0])} to {_percent(ends[1])} of A)"
    return f"{name}: B is {_percent(ratio)} of A ({_percent(ends[0])} to {_percent(ends[1])})"


def _percent(ratio: float) -> str:
    return f"{ratio * 100:,.1f} %"


# ---- an earlier test ------------------------------------------------------------------------


def against(old: StressReport, new: StressReport) -> list[ComparedFigures]:
    """Compare a test with an earlier one: its figures are A, the new ones B."""
    before, now = _all_figures(old), _all_figures(new)
    return [_change(name, before[name], now[name]) for name in before if name in now]


def _all_figures(report: StressReport) -> dict[str, float]:
    made = figures_by_name(report.steps)
    if report.knee and report.knee.rate and not report.knee.generator_limited:
        made["knee in jobs/s"] = report.knee.rate
    for name in ("p50_ms", "p99_ms"):
        if report.half_knee.get(name):
            made[f"{name.removesuffix('_ms')} in ms at half of the knee"] = report.half_knee[name]
    return {name: value for name, value in made.items() if value > 0}


def _change(name: str, before: float, now: float) -> ComparedFigures:
    ratio = now / before
    worse = 1 / ratio if name.endswith("jobs/s") and " at " not in name else ratio
    mark = "worse than" if worse > 1 + WORSE else "better than" if worse < 1 - WORSE else "as in"
    return ComparedFigures(
        name=name, a=before, b=now, ratio=round(ratio, 4), interval=None, n=1,
        says=f"{name}: {now:,.5g}, {mark} the baseline ({before:,.5g})",
    )  # fmt: skip


def other_conditions(old: StressReport, new: StressReport) -> list[str]:
    """Return in sentences what else is different, so that figures may differ because of it."""
    made = []
    if msgspec.structs.replace(old.plan, slo={}) != msgspec.structs.replace(new.plan, slo={}):
        made.append("The baseline is of another plan: its figures cannot be compared.")
    changes = [text for part in CONDITIONS for text in _changes(old.manifest, new.manifest, part)]
    if changes:
        made.append(f"The baseline was made under other conditions: {'; '.join(changes)}.")
    return made


def _changes(old: Mapping[str, Any], new: Mapping[str, Any], part: str) -> list[str]:
    before, now = old.get(part), new.get(part)
    if not isinstance(before, Mapping) or not isinstance(now, Mapping):
        return [] if before == now or part in CHANGING else [f"{part} {before} → {now}"]
    names = sorted({*before, *now} - CHANGING)
    return [
        f"{name} {before.get(name)} → {now.get(name)}"
        for name in names
        if before.get(name) != now.get(name)
    ]
