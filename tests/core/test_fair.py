from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from actorq.core.lanes import fair


@dataclass
class Lane:
    weight: float
    pass_: float = 0.0
    served: int = 0
    no: int = 0


def serve(lanes: list[Lane], rounds: int, level: float = 0.0, n: int = 10) -> float:
    for _ in range(rounds):
        lane = fair.order(lanes)[0]
        level = fair.join(lane, level, slack=4 * n / lane.weight)
        fair.charge(lane, n, lane.weight)
        lane.served += n
    return level


@given(st.lists(st.sampled_from([0.5, 1.0, 2.0, 5.0]), min_size=2, max_size=6))
def test_lanes_that_always_want_are_served_by_weight(weights: list[float]) -> None:
    lanes = [Lane(weight) for weight in weights]
    serve(lanes, 1000)
    for lane in lanes:
        fair_share = 10_000 * lane.weight / sum(weights)
        assert abs(lane.served - fair_share) <= 0.05 * fair_share + 20


def test_a_lane_that_rested_is_not_owed_for_it() -> None:
    busy, rested = Lane(1.0), Lane(1.0)
    level = serve([busy], 1000)
    busy.served = 0
    serve([busy, rested], 100, level)
    assert busy.served >= 450
    assert rested.served <= 550


def test_a_lane_that_rested_is_served_at_once() -> None:
    busy, rested = Lane(1.0), Lane(1.0)
    level = serve([busy], 1000)
    serve([busy, rested], 1, level)
    assert rested.served == 10


def test_serving_nothing_counts_too() -> None:
    lane = Lane(1.0)
    fair.charge(lane, 0, 1.0)
    assert lane.pass_ > 0
