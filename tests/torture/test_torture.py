"""A small torture run for every change: nothing lost, nothing settled twice, all explained."""

from __future__ import annotations

import pytest

from tests.support import seeds
from tests.torture.runner import run
from tests.torture.tiers import TIERS


@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_nothing_is_lost_and_nothing_is_settled_twice() -> None:
    tier = TIERS["T0"]
    report = run(tier, seeds.seed())
    assert report.ok, "\n".join([*report.stories, str(report.summary)])
    assert report.summary["jobs"] > 10_000
    assert {name for name, n in report.summary["faults"].items() if n} == set(tier.faults)
    assert report.summary["supervisor_kills"] >= 5
    assert report.summary["actor_kills"] >= 10
    assert report.summary["server_crashes"] >= 2
    for told in report.summary["followed"].values():  # one who learned nothing would prove nothing
        assert told["job"] + told.get("missed", 0) > 10_000
