"""Run one seed, in one of two modes, and say whether everything held."""

from __future__ import annotations

from dataclasses import dataclass, fields

from tests.sim.properties import MONITOR_S, check, check_blame, check_places
from tests.sim.scenario import Scenario, draw
from tests.sim.table import Violation
from tests.sim.world import World

SETTLED_S = 150.0
"""How long after the last fault every job has to be final: restarts back off up to a minute."""

SAFETY_S = 3.0
"""How long a world without end to its faults is watched."""


@dataclass(slots=True)
class Report:
    seed: int
    violation: str
    world: World

    def text(self) -> str:
        s = self.world.scenario
        lines = [f"seed {self.seed}: {self.violation}", "options:"]
        for field in fields(Scenario):
            value = getattr(s, field.name)
            if isinstance(value, list):
                lines += [f"  {field.name}:", *(f"    {item}" for item in value)]
            else:
                lines.append(f"  {field.name}: {value}")
        return "\n".join([*lines, "events:", *(self.world.trace or [])])


def monitored(world: World) -> None:
    """Look at every living supervisor at intervals."""
    for supervisor in world.supervisors:
        if not supervisor.gone:
            supervisor.watch.monitor()
    world.after(MONITOR_S, monitored, world)


def run(scenario: Scenario, *, safety: bool = False, trace: bool = False) -> Report:
    """Play a scenario to its end; the report's violation is empty if all held."""
    world = World(scenario, [] if trace else None)
    try:
        _play(world, safety)
    except Violation as exc:
        return Report(scenario.seed, str(exc), world)
    except Exception as exc:
        return Report(scenario.seed, f"{type(exc).__name__}: {exc}", world)
    return Report(scenario.seed, "", world)


def _play(world: World, safety: bool) -> None:
    scenario = world.scenario
    world.begin()
    monitored(world)
    if safety:
        scenario.calm_at = SAFETY_S
        world.run(SAFETY_S, lambda: False)
    else:
        _live(world)
    check_places(world)
    check_blame(world)
    for supervisor in world.supervisors:
        supervisor.watch.final()


def _live(world: World) -> None:
    """Wait until every job is final; in a drain, until its supervisors have finished."""
    s = world.scenario
    last = max([s.calm_at, *(job.run_at for job in s.jobs), *(end for _, end in s.outages)])
    if s.drain:
        done = world.run(last + SETTLED_S, lambda: not world.living())
        check(done, "the drain does not end")
        return
    stops = max((at for at, _ in s.stops), default=0.0)
    done = world.run(
        last + SETTLED_S,
        lambda: not world.n_to_come and not world.table.n_pending and world.now >= stops,
    )
    left = [(job.id, job.place) for job in world.table.jobs.values() if job.state == "pending"]
    check(done, f"never final: {left}")
    if s.stops:
        stopped = world.supervisors[0]
        done = world.run(world.now + s.grace_s + 10, lambda: stopped.gone)
        check(done, "the stop does not end")


def of_seed(seed: int, *, trace: bool = False) -> Report:
    """Play a seed: one in four with faults for ever, the others until all is done."""
    return run(draw(seed), safety=seed % 4 == 3, trace=trace)
