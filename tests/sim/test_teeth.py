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


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", PLANTS)
def test_a_planted_bug_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    PLANTS[name][0](monkeypatch)
    assert caught(name) is not None, f"{name}: not caught by {len(SEEDS)} seeds"


@pytest.mark.parametrize("name", [name for name in PLANTS if PLANTS[name][1]])
def test_without_the_bug_nothing_is_caught(name: str) -> None:
    report = caught(name, SEEDS[:300])
    assert report is None, report and report.text()
