"""Plant bugs in the core, and look for the first seed that shows one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from actorq.core.plan import inputs as i
from actorq.core.plan import (
    plan,
)
from tests.sim.run import Report, run
from tests.sim.scenario import FOR_EVER_S, Scenario, draw

SEEDS = range(20_000, 22_000)
Plant = Callable[[pytest.MonkeyPatch], None]
PLANTS: dict[str, tuple[Plant, dict[str, Any]]] = {}


def plant(function: Plant) -> Plant:
    PLANTS[function.__name__] = function, {}
    return function


def plant_where(does: str = "", **options: Any) -> Callable[[Plant], Plant]:
    """Plant a bug that shows only where a rare thing happens: there it is made common.

    `does` is what every fourth job does, each of a batch for itself.
    """

    def planted(function: Plant) -> Plant:
        PLANTS[function.__name__] = function, {"does": does, **options}
        return function

    return planted


def scenario_for(name: str, seed: int) -> Scenario:
    scenario, options = draw(seed), dict(PLANTS[name][1])
    does = options.pop("does", "")
    for job in scenario.jobs[::4] if does else ():
        job.does = does
    for kind in scenario.kinds:
        kind.mode = "each" if does else kind.mode
    for option, value in options.items():
        setattr(scenario, option, value)
    for kind in scenario.kinds if not scenario.drain else ():  # only a drain gives them up
        kind.broken = False
        kind.down_until = 0.0 if kind.down_until == FOR_EVER_S else kind.down_until
    scenario.until_final = scenario.until_final and scenario.drain
    return scenario


def caught(name: str, seeds: range = SEEDS) -> Report | None:
    """Return the report of the first seed in which something is wrong."""
    for seed in seeds:
        report = run(scenario_for(name, seed), safety=seed % 4 == 3)
        assert "TypeError" not in report.violation, f"{name} no longer fits: {report.violation}"
        if report.violation:
            return report
    return None


def handle(monkeypatch: pytest.MonkeyPatch, input_: type[i.Input], handler: Any) -> None:
    monkeypatch.setitem(plan.HANDLERS, input_, handler)
