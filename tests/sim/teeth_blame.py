"""Bugs to plant: who is charged with a crash, and the quarantine."""

from __future__ import annotations

from typing import Any

import pytest

from actorq.core.blame import blame
from actorq.core.blame.quarantine import Quarantine, Take
from actorq.core.fleet.actor import ActorState
from actorq.core.job import settle
from actorq.core.job.model import ErrorInfo
from actorq.core.plan import (
    batches,
    blaming,
    looking,
)
from tests.sim.teeth import plant, plant_where


@plant
def a_whole_batch_is_charged(m: pytest.MonkeyPatch) -> None:
    m.setattr(blaming, "blame", lambda open_, *_, **__: blame.Blame(charged=tuple(open_)))


@plant
def nobody_is_ever_charged(m: pytest.MonkeyPatch) -> None:
    m.setattr(blaming, "blame", lambda open_, *_, **__: blame.Blame(innocent=tuple(open_)))


@plant_where("rest1", drain=False)
def what_is_handed_back_is_charged(m: pytest.MonkeyPatch) -> None:
    m.setattr(
        batches,
        "give_back",
        lambda view, held, now: blaming.charge(
            view, ActorState(0, held.kind, 0), held, [], ErrorInfo("E", ""), now, crashed=False
        ),
    )


@plant
def suspects_stay_in_quarantine(m: pytest.MonkeyPatch) -> None:
    m.setattr(looking, "_suspects_found", lambda view, lane, groups: None)


@plant
def a_group_is_run_as_a_whole_again_and_again(m: pytest.MonkeyPatch) -> None:
    m.setattr(Quarantine, "next_of", lambda self, numbers: Take(numbers[0], 10_000))


@plant
def what_is_left_of_a_group_stays_in_quarantine(m: pytest.MonkeyPatch) -> None:
    next_of = Quarantine.next_of

    def forgetful(self: Quarantine, numbers: list[int]) -> Take:
        bad = [number for number in numbers if number not in self.groups or self.is_bad(number)]
        return next_of(self, bad) if bad else Take(0, 1)

    m.setattr(Quarantine, "next_of", forgetful)
    m.setattr(Quarantine, "to_free", lambda self, numbers: None)


@plant
def a_verdict_that_waits_is_forgotten(m: pytest.MonkeyPatch) -> None:
    m.setattr(blaming, "proceed", lambda view, now: None)


@plant
def a_verdict_waits_for_ever(m: pytest.MonkeyPatch) -> None:
    m.setattr(blaming, "_others", lambda view, kind, now: True)


@plant
def a_crash_budget_is_never_spent(m: pytest.MonkeyPatch) -> None:
    crashed = settle.crashed_attempt

    def merciful(*args: Any) -> Any:
        row = crashed(*args)
        return type(row)(row.id, row.attempt, "pending", "crashed", 0.05, args[-1])

    m.setattr(settle, "crashed_attempt", merciful)
