"""Compare two plans on one place: in turns, so that what disturbs the machine disturbs both."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from actorq.errors import ConfigError
from actorq.stress.core.comparing import compared, figures_by_name
from actorq.stress.core.figures import StressReport
from actorq.stress.core.plan import StressPlan
from actorq.stress.measure.place import StressPlace
from actorq.stress.run import StressRun

NAMES = ("A", "B")


class Duel(NamedTuple):
    """Two plans to be compared, and how often both are run."""

    plans: tuple[StressPlan, StressPlan]
    repeats: int


def check(duel: Duel) -> None:
    """Raise ConfigError if there is nothing that both plans would measure."""
    for name, plan in zip(NAMES, duel.plans, strict=True):
        if not plan.drain_jobs and not (plan.load and plan.load.rates):
            raise ConfigError(
                f"plan {name} has neither drain_jobs nor load.rates: a search for the knee ends at "
                "other rates each time, so there would be nothing to compare"
            )


def compare(place: StressPlace, duel: Duel, tell: Callable[[str], None]) -> StressReport:
    """Run both plans in turns, and return one report of all of it."""
    begun, reports = time.monotonic(), dict[tuple[str, int], StressReport]()
    for n in range(duel.repeats):
        for name in NAMES if n % 2 == 0 else reversed(NAMES):
            if any(report.cut_short for report in reports.values()):
                break
            plan = once(duel.plans[NAMES.index(name)], duel.plans[0].max_s)
            label = f"{name}{n + 1}"
            reports[name, n] = StressRun(place, plan, tell, label=label, begun=begun).run()
    return _together(duel, reports, begun)


def once(plan: StressPlan, max_s: float) -> StressPlan:
    """Return a plan that runs each of its loads once."""
    load = plan.load
    if load:
        load = msgspec.structs.replace(load, repeats=1) if load.rates else False
    return msgspec.structs.replace(plan, load=load, max_s=max_s)


def _together(
    duel: Duel, reports: dict[tuple[str, int], StressReport], begun: float
) -> StressReport:
    figures = {of: figures_by_name(report.steps) for of, report in reports.items()}
    pairs = [
        (figures["A", n], figures["B", n])
        for n in range(duel.repeats)
        if ("A", n) in figures and ("B", n) in figures
    ]
    found = compared(pairs, random.Random(duel.plans[0].seed))
    ran = list(reports.values())
    return msgspec.structs.replace(
        ran[0],
        steps=[step for report in ran for step in report.steps],
        samples=[sample for report in ran for sample in report.samples],
        faults=[fault for report in ran for fault in report.faults],
        findings=[*(each.says for each in found), *(t for r in ran for t in r.findings)],
        slo=[slo for report in ran for slo in report.slo],
        unseen=sorted({text for report in ran for text in report.unseen}),
        compared=found,
        plan_b=duel.plans[1],
        half_knee={},
        seconds=round(time.monotonic() - begun, 1),
        cut_short=next((report.cut_short for report in ran if report.cut_short), ""),
    )
