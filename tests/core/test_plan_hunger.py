"""When a supervisor asks to be notified of new jobs, and when it no longer does."""

from __future__ import annotations

from typing import Any

from actorq.core.lanes.notifications import (
    FLOOD_LOOK_S,
    FLOOD_PER_S,
    FLOOD_WINDOW_S,
    HUNGER_S,
    LONGEST_WAIT_S,
)
from actorq.core.plan import effects as e
from actorq.core.plan import inputs as i
from actorq.core.plan import plan
from actorq.core.plan.state import Question
from tests.core.desk import Desk

FLOOD = int(FLOOD_PER_S * FLOOD_WINDOW_S) + 1


class Listener(Desk):
    """Keep the orders about notifications of all steps."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.orders: list[e.Hunger] = []

    def feed(self, input_: i.Input, after: float = 0.0) -> list[e.Effect]:
        out = super().feed(input_, after)
        self.orders += self.of(e.Hunger)
        return out


def hungry(**settings: Any) -> Listener:
    desk = Listener(**settings)
    desk.start()
    desk.at_rest()
    desk.feed(i.Tick(), after=0.02)
    return desk


def serve(desk: Listener, seconds: float, woken_per_s: int = 0) -> list[e.Hunger]:
    """Let time pass, with notifications if asked for, and a job in each claim that is sent."""
    desk.orders, end, id_ = [], desk.now + seconds, 1000
    while desk.now < end:
        lane = desk.view.lanes[1]
        n = round(woken_per_s * 0.01)
        desk.feed(i.Woken(1, n) if n and lane.appetite.hungry else i.Tick(), after=0.01)
        for lease in list(desk.view.claims):
            id_ += 1
            desk.answer(lease, [id_])
            for send in desk.of(e.Send):
                desk.feed(i.Outcomes(send.actor, send.batch.lease, [], [], last=True))
                desk.written(desk.one(e.Settle).settlement)
    return desk.orders


def test_hunger_is_declared_once_and_taken_back_at_once_when_it_floods() -> None:
    desk = hungry()
    assert desk.one(e.Hunger).on == {1}
    desk.feed(i.Tick(), after=0.02)
    assert desk.of(e.Hunger) == []
    desk.feed(i.Woken(1, FLOOD), after=0.02)
    assert desk.one(e.Hunger).off == {1}


def test_as_many_notifications_in_more_time_are_no_flood() -> None:
    desk = hungry()
    for _ in range(4):
        desk.feed(i.Woken(1, FLOOD // 2), after=1.1 * FLOOD_WINDOW_S)
        desk.at_rest()
        assert desk.of(e.Hunger) == []


def test_a_backlog_at_the_start_does_not_turn_notifications_off() -> None:
    desk = Listener()
    desk.start()
    serve(desk, 3.0)  # each claim brings something
    desk.at_rest()
    desk.feed(i.Tick(), after=0.02)
    assert [order.on for order in desk.orders] == [{1}]


def test_hunger_comes_back_when_the_flood_is_over_but_not_within_a_second() -> None:
    desk = hungry()
    desk.feed(i.Woken(1, FLOOD), after=0.02)
    desk.at_rest()
    desk.feed(i.Tick(), after=HUNGER_S - 0.1)
    assert desk.of(e.Hunger) == []
    desk.at_rest()
    desk.feed(i.Tick(), after=0.2)
    assert desk.one(e.Hunger).on == {1}


def test_while_jobs_come_notifications_are_tried_again_but_ever_more_rarely() -> None:
    desk = hungry()
    orders = serve(desk, 60.0, woken_per_s=2 * FLOOD_PER_S)
    n_tries = sum(bool(order.on) for order in orders)
    assert 5 <= n_tries <= 10
    assert desk.view.lanes[1].appetite.wait_s == LONGEST_WAIT_S


def test_a_try_that_brings_few_notifications_stays_on() -> None:
    desk = hungry()
    serve(desk, 5.0, woken_per_s=2 * FLOOD_PER_S)
    orders = serve(desk, 30.0, woken_per_s=FLOOD_PER_S // 5)
    assert [bool(order.on) for order in orders] in ([True], [])
    assert desk.view.lanes[1].appetite.hungry


def test_a_lane_that_was_flooded_and_has_work_is_looked_at_often() -> None:
    desk = hungry()
    desk.feed(i.Woken(1, FLOOD), after=0.02)
    desk.answer(desk.one(e.Claim).lease, [1])
    while desk.view.claims:
        desk.answer(next(iter(desk.view.claims)))
    assert desk.view.lanes[1].look_at <= desk.now + FLOOD_LOOK_S
    assert plan.deadline(desk.view, desk.now) <= desk.now + FLOOD_LOOK_S


def test_a_lane_that_is_flooded_while_no_claim_is_out_is_looked_at_soon() -> None:
    desk = hungry()
    desk.feed(i.Woken(1, FLOOD - 1))
    desk.at_rest()
    desk.view.lanes[1].woken(1, desk.now)
    desk.feed(i.Tick(), after=0.02)
    assert desk.one(e.Hunger).off == {1}
    assert plan.deadline(desk.view, desk.now) <= desk.now + FLOOD_LOOK_S


def test_a_lane_where_nothing_comes_is_not() -> None:
    desk = hungry()
    desk.feed(i.Woken(1, FLOOD), after=0.02)
    desk.feed(i.Tick(), after=FLOOD_LOOK_S)
    while desk.view.claims:
        desk.answer(next(iter(desk.view.claims)))
    assert desk.view.lanes[1].look_at > desk.now + FLOOD_LOOK_S


def test_an_answer_that_nothing_is_due_does_not_end_the_looking() -> None:
    desk = hungry()
    desk.feed(i.Woken(1, FLOOD), after=0.02)
    desk.answer(desk.one(e.Claim).lease, [1])
    while desk.view.claims:
        desk.answer(next(iter(desk.view.claims)))
    desk.view.due_asked = Question({1}, set(), idle=True)
    desk.nothing_due()
    assert desk.view.lanes[1].look_at <= desk.now + FLOOD_LOOK_S


def test_without_notifications_nobody_declares_hunger() -> None:
    desk = hungry(notify=False)
    assert desk.of(e.Hunger) == []
