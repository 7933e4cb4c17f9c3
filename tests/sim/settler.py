"""A simulated settler: the real decisions, and around them what its thread does.

Beside lost answers it meets jobs that somebody has locked, and statements that take too long.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Set
from random import Random
from typing import TYPE_CHECKING

from actorq.core.job.model import ErrorInfo, Settlement
from actorq.core.plan import inputs as i
from actorq.core.store_values import SettleReply
from actorq.core.writing.parts import failing, keeping, without
from actorq.core.writing.ways import Fault
from actorq.core.writing.writer import HOLD_WAIT_S, Notice, Writer, is_enough_for_two

if TYPE_CHECKING:
    from tests.sim.supervisor import Supervisor

RECONNECT_S = 0.02
REASON = "a value is refused"


class Settlers:
    """Be both settlers of a supervisor, and what was ordered and is not taken yet."""

    def __init__(self, owner: Supervisor) -> None:
        scenario = owner.world.scenario
        self.max_rows, self.is_alone = scenario.settle_rows, scenario.n_supervisors == 1
        self.random = Random(f"settler {scenario.seed} {owner.node}")
        self.orders: deque[Settlement] = deque()
        self.first, self.second = Settler(self, owner, 1), Settler(self, owner, 2)

    def order(self, settlement: Settlement) -> None:
        wake_second = self.two_needed()
        self.orders.append(settlement)
        self.first.wake()
        if wake_second:
            self.second.wake()

    def two_needed(self) -> bool:
        n_rows = sum(s.n for s in self.orders)
        return self.is_alone and is_enough_for_two(n_rows, self.max_rows)


class Settler:
    """Write one statement after another."""

    def __init__(self, both: Settlers, owner: Supervisor, first_no: int) -> None:
        self.both, self.owner, self.world = both, owner, owner.world
        self.rests = first_no == 2  # while there is not enough for both
        self.writer = Writer(first_no, both.max_rows)
        self.busy = False

    def wake(self) -> None:
        if not self.busy:
            self._gather()

    def _gather(self) -> None:
        """Take what is there; write it, or wait for more."""
        writer, now = self.writer, self.world.now
        is_open = not self.rests or self.both.two_needed() or writer.has_at_hand(now)
        while is_open and (more := writer.at_hand(now) or self._take()) is not None:
            is_open = writer.add(more)
        wait_s = writer.patience_s(now) if is_open else 0.0
        if wait_s > 0.0:
            self.world.after(wait_s, self.wake)
        elif writer.begin():
            self._send()
        elif (idle_s := writer.idle_s(now)) is not None:
            self.world.after(idle_s, self.wake)

    def _take(self) -> Settlement | None:
        return self.both.orders.popleft() if self.both.orders else None

    def _send(self) -> None:
        self.busy = True
        self.world.after(self.world.latency(), self._write)

    def _write(self) -> None:
        world = self.world
        if self.owner.gone and world.random.random() < 0.5:
            return
        if world.outage_ends() is not None:
            self._lose_connection()
        elif world.chance(world.scenario.lost_settles):
            if world.random.random() < 0.5:
                self._statement()
            self._lose_connection()
        else:
            world.after(world.latency(), self._answered, self._statement())

    def _answered(self, answer: SettleReply | Fault) -> None:
        writer = self.writer
        if isinstance(answer, SettleReply):
            self._go_on(writer.written(answer, self.world.now))
        elif reason := writer.failed(answer, REASON):
            self._say(writer.delayed(reason))
            self.world.after(HOLD_WAIT_S, self._send)
        else:
            self._send()

    def _go_on(self, said: Iterable[Notice]) -> None:
        self.busy = False
        self._say(said)
        self.wake()

    def _say(self, said: Iterable[Notice]) -> None:
        for one in said:
            if isinstance(one, i.Settled):
                self.world.after(0.0, self.owner.post, one)
            else:
                self.world.told.append((self.world.now, one))

    # ---- lost connections ----

    def _lose_connection(self) -> None:
        self.busy = True
        self._say(self.writer.delayed("the connection is lost"))
        while (rest := self.writer.hand_over()) is not None:
            self.both.orders.append(rest)
        end = self.world.outage_ends() or self.world.now
        self.world.after(end - self.world.now + RECONNECT_S, self._resolve)
        self.both.first.wake()

    def _resolve(self) -> None:
        """Find out what became of a statement without an answer."""
        world, node = self.world, self.owner.node
        if world.outage_ends() is not None:
            self._lose_connection()
        elif not self.writer.is_written(world.table.settle_no(node, self.writer.no)):
            self._send()
        else:
            leases = self.writer.doubtful()
            open_ = [job for lease in leases for job in world.table.open_jobs(node, lease)]
            self._go_on(self.writer.found(open_, world.now))

    # ---- statements ----

    def _statement(self) -> SettleReply | Fault:
        """Carry a statement out, or say what the database has against it."""
        writer, s = self.writer, self.world.scenario
        n_rows, ids = sum(one.n for one in writer.sent), [j for one in writer.sent for j in one.ids]
        is_faulty = self.world.now < s.calm_at
        kept: Set[int] = frozenset()
        match writer.way.how:
            case "whole":
                if is_faulty and n_rows > s.slow_rows:
                    return "slow"
                if self._chance(s.kept):
                    return "locked"
                if s.refused and self._refused():
                    return "refused"
            case "around":
                kept = {job for job in ids if self._chance(0.5)}
            case "first":
                if is_faulty and writer.way.n > s.slow_rows:
                    return "slow"
                kept = set(sorted(ids)[writer.way.n :])
        return self._settle(kept)

    def _chance(self, p: float) -> bool:
        return (
            p > 0 and self.world.now < self.world.scenario.calm_at and self.both.random.random() < p
        )

    def _refused(self) -> set[int]:
        """Return the jobs of which the database does not take that they have completed."""
        refused = self.world.scenario.refused
        done = {job for s in self.writer.sent for jobs in s.done.values() for job in jobs}
        return done & refused

    def _settle(self, kept: Set[int]) -> SettleReply:
        table, writer, node = self.world.table, self.writer, self.owner.node
        sent, bad = writer.sent, self._refused()
        error = ErrorInfo("RowRefused", REASON, cause="result")
        leased = table.leased(node, sent)
        parts = [failing(s, bad, error) if bad else s for s in sent]
        if kept:
            parts = [without(s, kept, leased[s.lease]) for s in parts if s.lease in leased]
        reply = table.settle(node, writer.no, parts, self.world.us)
        reply.refused = sorted(bad - kept)
        return keeping(reply, sent, kept, leased) if kept else reply
