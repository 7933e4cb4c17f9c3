"""Measure what a decision costs: µs per step of the plan with few and with many idle lanes.

One kind serves some busy lanes whose backlog never ends, beside idle ones that want to be notified.
No database and no process takes part: every effect is answered at once, by a clock that is counted.
A question for what is due names every lane, so it is counted apart, by lane.
"""

from __future__ import annotations

import gc
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from actorq.core.job.model import ClaimedBatch, Settlement
from actorq.core.job.policy import KindPolicy
from actorq.core.plan import effects as e
from actorq.core.plan import inputs as i
from actorq.core.plan import plan
from actorq.core.plan.state import Settings, View
from actorq.core.store_values import ClaimReply, Due
from bench import _harness as h

STEP_S = 0.0005
"""How long after another a step is taken, as the plan's clock counts: as under a full load."""


class World:
    """Answer what a plan asks for; lanes up to `busy` always have a full batch more."""

    def __init__(self, idle: int, busy: int, batch: int) -> None:
        policy = KindPolicy(name="bench.steps", max_batch=batch, actors=2)
        lanes = {id_: f"q{id_}" for id_ in range(1, busy + idle + 1)}
        settings = Settings(grace_s=1.0)
        self.view: View = plan.begin(settings, [(policy, lanes)], seed=1)
        self.busy, self.now, self.next_job = busy, 0.0, 1
        self.inputs: deque[i.Input] = deque([i.Tick(), i.Listening(True)])
        self.timed: dict[str, list[float]] = {"step": [], "question": []}

    def steps(self, n: int) -> None:
        """Take n steps, each with the reading of the clock for the next."""
        for _ in range(n):
            self.now += STEP_S
            input_ = self.inputs.popleft() if self.inputs else i.Tick()
            begun = time.process_time()
            effects = plan.step(self.view, [input_], self.now)
            plan.deadline(self.view, self.now)
            took = time.process_time() - begun
            asks = isinstance(input_, i.DueKnown) or any(isinstance(f, e.AskDue) for f in effects)
            self.timed["question" if asks else "step"].append(took)
            for effect in effects:
                ANSWERS.get(type(effect), _ignore)(self, effect)

    def spawned(self, effect: e.Spawn) -> None:
        """Let an actor be ready."""
        self.inputs.append(i.Ready(effect.actor))

    def claimed(self, claim: e.Claim) -> None:
        """Bring a full batch from a busy lane, nothing from another."""
        reply = ClaimReply([], 0, {})
        if claim.lane <= self.busy:
            ids = list(range(self.next_job, self.next_job + claim.limit))
            self.next_job += claim.limit
            batch = ClaimedBatch(claim.lease, claim.lane, 0, ids, [2] * len(ids), [], {})
            reply = ClaimReply([batch], len(ids), {5: (ids[-1], ids[-1])})
        self.inputs.append(i.Claimed(claim.lane, claim.lease, reply, 0.001))

    def sent(self, effect: e.Send) -> None:
        """Let an actor answer for a batch with all jobs done."""
        self.inputs.append(i.Outcomes(effect.actor, effect.batch.lease, [], [], last=True))

    def asked(self, effect: e.AskDue) -> None:
        """Answer that the idle lanes have nothing."""
        dues = [Due(ask.lane, ask.lane <= self.busy, None, []) for ask in effect.asks]
        self.inputs.append(i.DueKnown(dues, 0.001))

    def settled(self, effect: e.Settle) -> None:
        """Commit outcomes."""
        made: Settlement = effect.settlement
        self.inputs.append(i.Settled([made], frozenset({made.lease})))


ANSWERS: dict[type[e.Effect], Callable[[World, Any], None]] = {
    e.Spawn: World.spawned,
    e.Claim: World.claimed,
    e.Send: World.sent,
    e.AskDue: World.asked,
    e.Settle: World.settled,
}


def _ignore(world: World, effect: e.Effect) -> None:
    """Leave an effect unanswered that asks for nothing."""


def once(idle: int, busy: int, batch: int, steps: int) -> dict[str, float]:
    """Measure one supervisor after each of its lanes was looked into."""
    world = World(idle, busy, batch)
    world.steps(20_000)
    while any(not lane.appetite.hungry for lane in list(world.view.lanes.values())[busy:]):
        world.steps(1000)
    world.timed = {"step": [], "question": []}
    gc.collect()
    world.steps(steps)
    step_us = sum(world.timed["step"]) / len(world.timed["step"]) * 1e6
    questions = world.timed["question"]
    asked_us = sum(questions) / max(1, len(questions)) / (idle + busy) * 1e6
    return {"us_per_step": step_us, "question_us_per_lane": asked_us}


def main() -> None:
    """Run the benchmark."""
    options = h.options(
        __doc__ or "",
        steps=(20_000, 200, "steps that are measured"),
        busy=(4, 2, "lanes with a backlog"),
        batch=(100, 10, "jobs per batch"),
        idle=((1, 1000, 10_000), (1, 20), "how many idle lanes"),
    )
    result: dict[str, Any] = {}
    with h.any_server() as host:  # for what the report says of the machine
        runs: dict[int, list[dict[str, float]]] = {idle: [] for idle in options.idle}
        for _ in range(options.repeat):  # in turns: what slows the machine down slows all of them
            for idle in options.idle:
                runs[idle].append(once(idle, options.busy, options.batch, options.steps))
                h.say(f"{idle:>6} idle lanes  {runs[idle][-1]}")
        for idle in options.idle:
            for key in runs[idle][0]:
                result[f"{key}_{idle}"] = h.median([run[key] for run in runs[idle]], 3)
        first = result[f"us_per_step_{options.idle[0]}"]
        for idle in options.idle[1:]:
            result[f"ratio_{idle}"] = round(result[f"us_per_step_{idle}"] / first, 3)
        h.report(options, host, result)


if __name__ == "__main__":
    main()
