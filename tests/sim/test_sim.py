"""The supervisor's plan against a world drawn from a seed: 10,000 seeds, every property.

Half of them are always the same; the others begin where the seed of the run says. With
ACTORQ_SIM_FIRST all of them begin there; ACTORQ_SIM_SEEDS sets how many they are. A seed that fails
is printed with all that it stands for and everything that happened; it belongs into seeds.txt,
where it is tried again for ever.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.sim.run import Report, of_seed
from tests.support import seeds

N_SEEDS = int(os.environ.get("ACTORQ_SIM_SEEDS", "10000"))
FIRST = os.environ.get("ACTORQ_SIM_FIRST")
PARTS = 10
BEYOND = 1_000_000
"""Those that are drawn begin above all that are always the same, here and elsewhere."""

ONCE_FAILED = [
    int(line.split("#")[0])
    for line in Path(__file__).with_name("seeds.txt").read_text().splitlines()
    if line.split("#")[0].strip()
]


def failing(seed: int) -> Report | None:
    return of_seed(seed, trace=True) if of_seed(seed).violation else None


def seeds_of(part: int) -> range:
    """Return the seeds of a part: the first parts' are always the same, the others' are drawn."""
    first = BEYOND + seeds.seed() if part >= PARTS // 2 else 0
    if FIRST is not None:
        first = int(FIRST)
    return range(first + part, first + N_SEEDS, PARTS)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("part", range(PARTS))
def test_nothing_that_can_happen_breaks_a_promise(part: int) -> None:
    for seed in seeds_of(part):
        report = failing(seed)
        if report is not None:
            pytest.fail(report.text())


@pytest.mark.parametrize("seed", ONCE_FAILED)
def test_what_once_broke_a_promise_no_longer_does(seed: int) -> None:
    report = failing(seed)
    if report is not None:
        pytest.fail(report.text())


def test_a_seed_replays_to_the_same_events() -> None:
    first, second = of_seed(12345, trace=True), of_seed(12345, trace=True)
    assert first.world.trace
    assert first.world.trace == second.world.trace
