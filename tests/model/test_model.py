"""The database does what the model does, whatever happens in whatever order.

Half of the few examples of an ordinary run are always the same, the others follow from its seed.
ACTORQ_TEST_EXAMPLES=5000 looks for new ones, and remembers between runs what it has found.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from actorq.core.lanes.claim_turns import LockMode, Turns
from actorq.store.queue import claims
from tests.model.machine import Machine
from tests.model.world import World

EXAMPLES = int(os.environ.get("ACTORQ_TEST_EXAMPLES", "0"))
HOW = settings(
    max_examples=EXAMPLES or 10, stateful_step_count=60, suppress_health_check=list(HealthCheck)
)
DRAWN = [True] if EXAMPLES else [False, True]


@pytest.fixture
def world(dsn: str) -> Iterator[World]:
    world = World(dsn)
    yield world
    world.close()


@pytest.mark.timeout(0 if EXAMPLES else 180)
@pytest.mark.parametrize("drawn", DRAWN)
@pytest.mark.parametrize("way", get_args(LockMode))
def test_the_database_does_what_the_model_does(
    world: World, way: LockMode, drawn: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Turns, "way", lambda *_: way)
    monkeypatch.setattr(claims, "PART_JOBS", 2)  # as if the few jobs here were hundreds
    factory: Any = lambda: Machine(world)  # noqa: E731  # it may be a class or make one
    run_state_machine_as_test(factory, settings=settings(HOW, derandomize=not drawn))
