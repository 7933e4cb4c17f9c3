"""A view and a clock at hand: feed it inputs, read effects."""

from __future__ import annotations

from typing import Any, TypeVar

from actorq.core.job.model import ClaimedBatch, Counts, ErrorInfo, Row, Settlement
from actorq.core.job.policy import KindPolicy
from actorq.core.plan import effects as e
from actorq.core.plan import inputs as i
from actorq.core.plan import plan
from actorq.core.plan.state import Settings, View
from actorq.core.store_values import ClaimReply, Due

ERROR = ErrorInfo("ValueError", "no")
DEAD = ErrorInfo("ActorDied", "signal 9", cause="signal")

E = TypeVar("E", bound=e.Effect)


class Desk:
    """Hold one supervisor's view; lane n belongs to the n-th kind."""

    def __init__(self, *policies: KindPolicy, **settings: Any) -> None:
        policies = policies or (KindPolicy(name="k", max_batch=4, retry=10.0),)
        kinds = [(policy, {n: "default"}) for n, policy in enumerate(policies, 1)]
        self.view: View = plan.begin(Settings(**settings), kinds, 1)
        self.now = 100.0
        self.effects: list[e.Effect] = []

    def feed(self, input_: i.Input, after: float = 0.0) -> list[e.Effect]:
        """Step; returns the effects that are not events."""
        self.now += after
        out = plan.step(self.view, [input_], self.now)
        self.effects = [effect for effect in out if not isinstance(effect, e.Emit)]
        self.events = [effect.event for effect in out if isinstance(effect, e.Emit)]
        return self.effects

    def of(self, kind: type[E]) -> list[E]:
        """Return the last step's effects of one type."""
        return [effect for effect in self.effects if isinstance(effect, kind)]

    def one(self, kind: type[E]) -> E:
        """Return the last step's only effect of one type."""
        (effect,) = self.of(kind)
        return effect

    # ---- what the world usually answers ----

    def start(self) -> None:
        """Start every actor; claims and the first due query are then on their way."""
        self.feed(i.Tick())
        for spawn in self.of(e.Spawn):
            self.feed(i.Ready(spawn.actor))

    def answer(
        self,
        lease: int,
        ids: list[int] | None = None,
        *,
        notes: dict[int, Counts] | None = None,
        took_s: float = 0.001,
        after: float = 0.0,
    ) -> list[e.Effect]:
        """Answer a claim with these jobs, or with none."""
        claim = self.view.claims[lease][0]
        if not ids:
            reply = ClaimReply([], 0, {})
        else:
            n = len(ids)
            batch = ClaimedBatch(lease, claim.lane, claim.suspect, ids, [2] * n, [], notes or {})
            reply = ClaimReply([batch], n, {5: (ids[-1], ids[-1])})
        return self.feed(i.Claimed(claim.lane, lease, reply, took_s), after)

    def answer_bundle(self, lease: int, first: int, n: int) -> list[e.Effect]:
        """Answer a claim of several batches with n jobs, numbered from the first on."""
        claim, ids = self.view.claims[lease][0], list(range(first, first + n))
        parts = [ids[start : start + claim.limit] for start in range(0, n, claim.limit)]
        batches = [
            ClaimedBatch(k, claim.lane, 0, part, [2] * len(part), [], {})
            for k, part in enumerate(parts, lease)
        ]
        reply = ClaimReply(batches, n, {5: (ids[-1], ids[-1])})
        return self.feed(i.Claimed(claim.lane, lease, reply, 0.001))

    def due(self, *dues: Due, after: float = 0.0) -> list[e.Effect]:
        return self.feed(i.DueKnown(list(dues), 0.001), after)

    def nothing_due(self, after: float = 0.0) -> list[e.Effect]:
        return self.due(*(Due(n, False, None, []) for n in self.view.lanes), after=after)

    def written(self, settlement: Settlement, *, applied: bool = True) -> list[e.Effect]:
        leases = frozenset({settlement.lease} if applied else ())
        return self.feed(i.Settled([settlement], leases))

    def rows(self) -> list[Row]:
        """Return the rows written now, and those of verdicts that wait.

        For these everything that came back is let be gone, so that nobody else can be asked.
        """
        found: list[Row] = []
        for _ in range(50):
            settlements = [made.settlement for made in self.of(e.Settle)]
            found += [row for settlement in settlements for row in settlement.rows]
            if not any(held.verdict_waits for held in self.view.held.values()):
                return found
            starting = [actor.id for actor in self.view.actors.values() if not actor.ready]
            if settlements:
                self.written(settlements[0])
            elif self.view.claims:
                self.answer(next(iter(self.view.claims)), after=0.1)
            elif self.view.due_asked is not None:
                self.nothing_due(after=0.1)
            else:
                self.feed(i.Ready(starting[0]) if starting else i.Tick(), after=0.1)
        raise AssertionError("a verdict waits for ever")

    def at_rest(self) -> None:
        """Bring a started desk to where nothing is to be done."""
        while self.view.claims:
            self.answer(next(iter(self.view.claims)))
        if self.view.due_asked is not None:
            self.nothing_due()
