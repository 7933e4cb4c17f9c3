"""The claimer says what the database refuses, and goes on with what it does not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from actorq.core import event
from actorq.core.claiming import Order
from actorq.core.plan import effects as e
from actorq.core.plan import inputs as i
from actorq.core.store_values import ClaimReply
from actorq.errors import RowRefused, StoreError, StoreUnavailable
from actorq.supervisor.threads.claimer import Claimer
from tests.support.wait import wait_until

NEVER = RowRefused("a trigger says no (SQLSTATE P0001)")


class Store:
    """Answer as the database would, with one error for each call named."""

    def __init__(self, trouble: dict[str, StoreError]) -> None:
        self.trouble = trouble
        self.calls: list[tuple[Any, ...]] = []

    def _meet(self, *call: Any) -> None:
        self.calls.append(call)
        if call[0] in self.trouble:
            raise self.trouble[call[0]]

    def n(self, name: str) -> int:
        return sum(call[0] == name for call in self.calls)

    def claim(self, _: Any) -> ClaimReply:
        self._meet("claim")
        return ClaimReply([], 0, {})

    def give_back(self, lease: int, n_leases: int) -> None:
        self._meet("give_back", lease)

    def hunger(self, on: set[int], off: set[int]) -> None:
        self._meet("hunger", on, off)

    def close(self) -> None:
        pass


class Claiming:
    """Run a claimer in its thread and keep what it says."""

    def __init__(self) -> None:
        self.store = Store({})
        self.posted: list[Any] = []
        open_: Any = lambda _: self.store  # noqa: E731
        self.claimer = Claimer(open_, self.posted.append)
        self.claimer.start()

    def order(self, *orders: Order) -> None:
        for order in orders:
            self.claimer.order(order)

    def failures(self) -> list[event.DutyFailed]:
        return [p for p in self.posted if isinstance(p, event.DutyFailed)]

    def claims_once(self) -> bool:
        self.order(e.Claim(1, 1, 10))
        return bool(wait_until(lambda: any(isinstance(p, i.Claimed) for p in self.posted)))


@pytest.fixture
def claiming() -> Iterator[Claiming]:
    claiming = Claiming()
    yield claiming
    claiming.store.trouble.clear()
    claiming.claimer.stop()
    claiming.claimer.join(10)


def test_a_claim_that_is_refused_is_reported_once_and_answered_each_time(
    claiming: Claiming,
) -> None:
    claiming.store.trouble["claim"] = NEVER
    claiming.order(*(e.Claim(1, lease, 10) for lease in (1, 2, 3)))
    wait_until(lambda: sum(isinstance(p, i.ClaimLost) for p in claiming.posted) == 3)
    claiming.store.trouble["claim"] = RowRefused("something else")
    claiming.order(e.Claim(1, 4, 10))
    wait_until(lambda: len(claiming.failures()) == 2)
    assert [(f.duty, f.error) for f in claiming.failures()] == [
        ("claimer", str(NEVER)),
        ("claimer", "something else"),
    ]


@pytest.mark.parametrize(
    ("call", "order"),
    [("give_back", e.GiveBack(7)), ("hunger", e.Hunger(frozenset({1}), frozenset()))],
)
@pytest.mark.parametrize("error", [NEVER, StoreUnavailable("read-only")])
def test_an_order_that_is_always_refused_is_in_nobodys_way(
    claiming: Claiming, call: str, order: Order, error: StoreError
) -> None:
    claiming.store.trouble[call] = error
    claiming.order(order)
    wait_until(lambda: claiming.store.n(call) >= 2)
    assert claiming.claims_once()
    assert claiming.store.n(call) < 20, "a hot loop"
    if error is NEVER:
        assert [f.error for f in claiming.failures()] == [str(NEVER)]
    del claiming.store.trouble[call]
    n = claiming.store.n(call)
    wait_until(lambda: claiming.store.n(call) == n + 1)


def test_a_wish_to_be_woken_that_was_refused_does_not_undo_a_later_one(claiming: Claiming) -> None:
    claiming.store.trouble["hunger"] = NEVER
    claiming.order(e.Hunger(frozenset({1, 2}), frozenset()))
    wait_until(lambda: claiming.store.n("hunger") >= 1)
    claiming.order(e.Hunger(frozenset({3}), frozenset({1})))
    wait_until(lambda: claiming.store.calls[-1] == ("hunger", {2, 3}, {1}))
    claiming.store.trouble.clear()
    claiming.store.calls.clear()
    wait_until(lambda: claiming.store.calls == [("hunger", {2, 3}, {1})])


def test_a_claimer_that_is_refused_leaves_all_the_same(claiming: Claiming) -> None:
    claiming.store.trouble["give_back"] = NEVER
    claiming.order(e.GiveBack(1), e.GiveBack(2))
    claiming.claimer.stop()
    claiming.claimer.join(5)
    assert not claiming.claimer.is_alive()
    assert {call[1] for call in claiming.store.calls} == {1, 2}
