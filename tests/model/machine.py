"""The state machine: hypothesis chooses what happens, to the database and to its model alike."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from actorq.core.plan.effects import Claim
from actorq.core.store_values import DueAsk
from tests.model.deeds import Deeds
from tests.model.queue import Fate, Part
from tests.model.world import KINDS, World, settlement
from tests.store.kit import as_node

DEEDS = [
    *["work"] * 6, *["settle"] * 4, *["enqueue"] * 3, *["claim"] * 3, *["manage"] * 3,
    *["replay"] * 2, "give_back", "look", "node", "reap", "lock", "advance",
]  # fmt: skip
"""One rule chooses among them: of many rules, hypothesis leaves half out of each example, and
hardly a job would get far."""


class Machine(Deeds, RuleBasedStateMachine):
    """Do the same to a queue in the database and to one in Python, and compare them."""

    def __init__(self, world: World) -> None:
        RuleBasedStateMachine.__init__(self)
        Deeds.__init__(self, world)
        world.empty()

    @initialize(n=st.integers(4, 9))
    def begin(self, n: int) -> None:
        self.register()
        self.enqueue_many("a", n, 5, True)

    @rule(data=st.data(), deed=st.sampled_from(DEEDS))
    def do(self, data: st.DataObject, deed: str) -> None:
        getattr(self, f"do_{deed}")(data.draw)

    @invariant()
    def is_as_the_model_says(self) -> None:
        self.now = self.now or self.world.now()
        self.world.compare(self.queue, self.now)

    @invariant()
    def says_what_is_due(self) -> None:
        asks = [DueAsk(self.world.lanes[kind]) for kind in KINDS]
        for kind, due in zip(KINDS, self.world.store.due(asks), strict=True):
            assert due.due == bool(self.queue.due(kind, 0, self.now))
            later = [job for job in self.queue.waiting(kind, 0) if job.run_at > self.now]
            assert (due.next_in_s is None) == (not later)
            groups = self.queue.groups(kind) - {0}
            assert sorted(due.suspects) == sorted(
                g for g in groups if self.queue.due(kind, g, self.now)
            )

    def teardown(self) -> None:
        """Let everybody die, and run what is left to its end: nothing may be lost."""
        self.unlock()
        for node in sorted(self.queue.alive):
            as_node(self.world.store, node).leave()
        self.queue.alive.clear()
        while self.queue.orphans():
            self.reap(100)
        for _ in range(2):
            self.do_advance(None)
        self.register()
        for kind in KINDS:
            for group in sorted(self.queue.groups(kind)):
                self._finish(max(self.leases), kind, group)
        self.is_as_the_model_says()
        assert not any(job.state == "pending" for job in self.queue.jobs.values())

    def _finish(self, node: str, kind: str, group: int) -> None:
        """Claim and complete everything in one group of a kind."""
        self.leases[node] += 1
        lease = self.leases[node]
        claimed = as_node(self.world.store, node).claim(
            Claim(self.world.lanes[kind], lease, 1000, group)
        )
        jobs = self.queue.due(kind, group, self.world.now())
        self.check_claimed(claimed, jobs)
        (batch,) = claimed.batches
        self.queue.claim((node, lease), kind, group, jobs)
        attempts = {job.id: job.attempt for job in jobs}
        part = Part(node, lease, 0, attempts, {id_: Fate("done") for id_ in attempts}, set())
        self.send([part], [settlement(part, batch, self.queue)])
