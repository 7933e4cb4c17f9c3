"""A simulated claimer: the real decisions, and around them what its thread does."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from msgspec.structs import replace

from actorq.core.claiming import Errands, Order
from actorq.core.plan import effects as e
from actorq.core.plan import inputs as i
from actorq.core.store_values import ClaimReply

if TYPE_CHECKING:
    from tests.sim.supervisor import Supervisor

RECONNECT_S = 0.02


class Claimer:
    """Carry out one order after another."""

    def __init__(self, owner: Supervisor) -> None:
        self.owner, self.world = owner, owner.world
        self.orders: deque[Order] = deque()
        self.order: Order | None = None  # being carried out
        self.errands = Errands()
        self.busy = False

    def give(self, order: Order) -> None:
        self.orders.append(order)
        self.wake()

    def unfinished(self) -> list[Order]:
        """Return what a supervisor that leaves still has carried out."""
        again = [self.errands.next() for _ in range(len(self.errands))]
        return [*([self.order] if self.order else []), *self.orders, *again]

    def wake(self) -> None:
        if not self.busy:
            self._go()

    def _go(self) -> None:
        """Take the next order, with a connection that is free."""
        world, end = self.world, self.world.outage_ends()
        wait_s = self.errands.wait_s(world.now)
        self.busy, self.order = False, None
        if end is not None:
            self.busy = True
            world.after(end - world.now + RECONNECT_S, self._go)
            return
        if wait_s == 0.0:
            self.order = self.errands.next()
        elif self.orders:
            self.order = self.errands.with_earlier(self.orders.popleft())
        elif wait_s is not None:
            world.after(wait_s, self.wake)
        if self.order is not None:
            self.busy = True
            world.after(world.latency(), self._carry_out, self.order)

    def _carry_out(self, order: Order) -> None:
        world = self.world
        dead = self.owner.gone and world.random.random() < 0.5
        if dead or world.outage_ends() is not None:
            self._lost(order)
            return
        wait = world.latency()
        if isinstance(order, e.Claim) and world.chance(world.scenario.lost_claims):
            if world.random.random() < 0.7:
                late = world.random.choice((0.0, 0.0, 0.1, 1.0))
                world.after(late, self._claim, order)
            self._lost(order)
            return
        answer = self._answer(order, wait)
        if answer is not None:
            world.after(wait, self.owner.post, answer)
        world.after(wait, self._go)

    def _answer(self, order: Order, wait: float) -> i.Input | None:
        table, now, node = self.world.table, self.world.us, self.owner.node
        match order:
            case e.Claim():
                reply = self._claim(order)
                self.errands.claimed(order, reply)
                return i.Claimed(order.lane, order.lease, reply, 2 * wait)
            case e.AskDue(asks):
                return i.DueKnown(table.due(asks, now), wait)
            case e.AskLeft(no, lanes):
                return i.LeftKnown(no, table.left(lanes, now))
            case e.GiveBack(lease, n_leases):
                for n in range(lease, lease + n_leases):
                    table.give_back(node, n, now)
            case e.Hunger(on, off):
                table.hungry |= {(lane, node) for lane in on}
                table.hungry -= {(lane, node) for lane in off}
        return None

    def _claim(self, order: e.Claim) -> ClaimReply:
        ask = replace(order, frontier=self.errands.frontier(order))
        return self.world.table.claim(self.owner.node, ask, self.world.us)

    def _lost(self, order: Order) -> None:
        """Have lost the connection, and make another one."""
        answer = self.errands.failed(order, self.world.now)
        if answer is not None:
            self.world.after(0.0, self.owner.post, answer)
        if not self.owner.gone:
            self.world.after(RECONNECT_S, self._go)
