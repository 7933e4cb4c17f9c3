"""The simulator has teeth: each of these bugs, planted into the core, breaks a property soon."""

from __future__ import annotations

import pytest

from tests.sim import (  # noqa: F401  # each plants its own
    teeth_blame,
    teeth_claims,
    teeth_stops,
    teeth_writing,
)
from tests.sim.teeth import PLANTS, SEEDS, caught

RARE = {repr(sorted(options.items())): name for name, (_, options) in PLANTS.items() if options}
"""One plant for each of the rare things that are made common for plants to show."""


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", PLANTS)
def test_a_planted_bug_is_caught(name: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        PLANTS[name][0](patch)
        report = caught(name)
    assert report is not None, f"{name}: not caught by {len(SEEDS)} seeds"
    sound = caught(name, range(report.seed, report.seed + 1))
    assert sound is None, sound and sound.text()


@pytest.mark.parametrize("name", RARE.values())
def test_without_the_bug_nothing_is_caught(name: str) -> None:
    report = caught(name, SEEDS[:120])
    assert report is None, report and report.text()
