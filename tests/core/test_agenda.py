"""What the agenda says of the lanes is what asking each of them would say."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from actorq.core.job.policy import KindPolicy
from actorq.core.lanes import fair
from actorq.core.lanes.agenda import SLACK, Agenda
from actorq.core.lanes.lane import Lane
from actorq.core.plan import effects as e
from actorq.core.plan import inputs as i
from actorq.core.plan import plan
from actorq.core.plan.state import Question, Settings
from actorq.core.store_values import ClaimReply, Due

EMPTY = ClaimReply([], 0, {})

DO: list[Callable[[Lane, float], Any]] = [
    lambda lane, now: lane.look_by(now),
    lambda lane, now: lane.look_by(now + 3),
    lambda lane, now: lane.later(now + 2),
    lambda lane, now: lane.gather(now + 1, now),
    lambda lane, now: (lane.stir(), lane.want()),
    lambda lane, now: lane.let_go(now),
    lambda lane, now: lane.suspect([7]),
    lambda lane, now: lane.fresh_sent(0.0, math.inf, now, ahead=lane.n_claiming > 0),
    lambda lane, now: 7 in lane.suspects and lane.suspects_sent(7, 0.0, math.inf),
    lambda lane, now: lane.n_claiming and lane.answered(5),
    lambda lane, now: lane.n_claiming and lane.answered(),
    lambda lane, now: lane.n_claiming or lane.found_nothing(0.001, now),
    lambda lane, now: looked(lane, now, EMPTY),
    lambda lane, now: looked(lane, now, ClaimReply([], 9, {5: (1, 1)})),
    lambda lane, now: looked(lane, now, ClaimReply([], 0, {}, 3, 0.5)),
    lambda lane, now: lane.appetite.hungry or lane.be_woken(now),
    lambda lane, now: lane.appetite.hungry and lane.be_sated(now),
]


def looked(lane: Lane, now: float, reply: ClaimReply) -> None:
    unbounded = not lane.frontier.last
    lane.looked(reply, now, limit=9, linger_s=1.0, took_s=0.001, unbounded=unbounded)


def check(agenda: Agenda[Lane], now: float) -> None:
    lanes = agenda.lanes
    due = [o for o in lanes if o.look_at <= now and not o.n_claiming]
    waits = [o.look_at for o in lanes if o.look_at > now and not o.n_claiming]
    assert agenda.any_waits() == bool(waits)
    assert agenda.next_at() == min(waits, default=math.inf)
    kinds = {o.kind for o in due}
    expected = {fair.order(o for o in due if o.kind == name)[0] for name in kinds}
    assert set(agenda.served_next()) == expected
    assert {name for name in agenda.kinds if agenda.is_due(name)} == kinds
    assert set(agenda.suspected.values()) == {o for o in lanes if o.suspects}
    assert set(agenda.gathering.values()) == {o for o in lanes if o.gathers}
    for name, found in agenda.kinds.items():
        own = [o for o in lanes if o.kind == name]
        assert set(found.stirred.values()) == {o for o in own if o.stirred}
        assert set(found.wanted.values()) == {o for o in own if o.frontier.wanted}
        assert set(found.nonempty.values()) == {o for o in own if not o.empty}
        assert set(found.delayed.values()) == {o for o in own if o.next_at < math.inf}
        assert found.n_hungry == sum(o.appetite.hungry for o in own)
        asking = {o for o in own if not o.appetite.hungry and o.wants_to_be_woken(now) is not None}
        assert asking <= set(found.quiet.values())


what = st.tuples(st.integers(0, len(DO) - 1), st.integers(0, 3), st.sampled_from([0.0, 0.5, 2.0]))


@given(st.lists(what, max_size=60))
def test_the_agenda_knows_what_every_lane_would_say(steps: list[tuple[int, int, float]]) -> None:
    agenda: Agenda[Lane] = Agenda()
    lanes = [Lane(n, "q", "ab"[n % 2], 1.0, agenda) for n in range(4)]
    now = 100.0
    for which, n, after in steps:
        now += after
        agenda.advance(now)
        DO[which](lanes[n], now)
        check(agenda, now)


def test_what_has_changed_again_and_again_does_not_fill_the_memory() -> None:
    agenda: Agenda[Lane] = Agenda()
    lane = Lane(1, "q", "k", 1.0, agenda)
    for n in range(10_000):
        lane.later(1e9 - n)
        lane.fresh_sent(0.0, 1.0, 0.0, ahead=False)
        lane.answered()
    assert len(agenda._timed.entries) <= 3 * SLACK


# ---- what a step does, counted --------------------------------------------------------------


class Instructions:
    """Count the instructions that the interpreter carries out."""

    n = 0

    def __enter__(self) -> Instructions:
        self.before = sys.gettrace()
        sys.settrace(self._trace)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(self.before)

    def _trace(self, frame: FrameType, what: str, _: Any) -> Any:
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        self.n += what == "opcode"
        return self._trace


def instructions(idle: int) -> int:
    """Count those of some steps with one busy lane, when all lanes were looked into."""
    policy = KindPolicy(name="k", max_batch=4)
    lanes = {n: f"q{n}" for n in range(idle + 1)}
    view, now = plan.begin(Settings(), [(policy, lanes)], seed=1), 100.0
    todo: list[i.Input] = [i.Tick(), i.Listening(True)]
    while any(not lane.empty for lane in view.lanes.values()) or view.claims:
        now += 0.001
        for effect in plan.step(view, [todo.pop(0) if todo else i.Tick()], now):
            if isinstance(effect, e.Spawn):
                todo.append(i.Ready(effect.actor))
            elif isinstance(effect, e.Claim):
                todo.append(i.Claimed(effect.lane, effect.lease, EMPTY, 0.001))
    plan.step(view, [i.DueKnown([Due(n, False, None, []) for n in lanes], 0.001)], now)
    view.due_asked = Question(set(), set(), idle=False)  # no other: one names every lane
    with Instructions() as counted:
        for _ in range(20):
            now += 0.011
            plan.step(view, [i.Woken(1)], now)
            lease = next(iter(view.claims))
            plan.step(view, [i.Claimed(1, lease, EMPTY, 0.001)], now)
            plan.deadline(view, now)
            plan.step(view, [i.Tick()], now)
            plan.deadline(view, now)
    return counted.n


def test_a_step_does_no_more_beside_a_thousand_idle_lanes_than_beside_ten() -> None:
    assert instructions(1000) <= 1.02 * instructions(10)
