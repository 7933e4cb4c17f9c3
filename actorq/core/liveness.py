"""Which supervisors are dead, as far as this one has seen for itself.

A node is dead only if the same `beat_at` was seen for a whole ttl on one unbroken connection. So
after a database outage, in which nobody could beat, the supervisors do not all reap each other. A
node on the same host is dead as soon as its process is gone, and with it its guardian, which exits
once all actors are gone. This applies only if boot id, pid namespace and start time all match:
containers may share a host name, but they do not share process ids.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from actorq.core.store_values import NodeInfo, NodeSeen

StartOf = Callable[[int], str | None]
"""A function that returns the start time of a local process by its id; None if it is gone."""


@dataclass(slots=True)
class Watch:
    """What this supervisor has seen of the others: since when each shows its present `beat_at`."""

    me: NodeInfo
    since: dict[str, tuple[int, float]] = field(default_factory=dict)
    others: list[NodeSeen] = field(default_factory=list)  # as the table last showed them

    def reconnected(self) -> None:
        """Start over: nothing was seen while the connection was down."""
        self.since.clear()

    def dead(self, nodes: Sequence[NodeSeen], now: float, start_of: StartOf) -> list[NodeSeen]:
        """Take what the table says now; return the nodes that are dead, never this one."""
        others = self.others = [node for node in nodes if node.id != self.me.id]
        self.since = {node.id: self._seen(node, now) for node in others}
        return [node for node in others if self._silent(node, now) or self._gone(node, start_of)]

    def is_any_gone(self, start_of: StartOf) -> bool:
        """Tell, without asking the database, whether a node of this host has lost its process."""
        return any(self._gone(node, start_of) for node in self.others)

    def _seen(self, node: NodeSeen, now: float) -> tuple[int, float]:
        before = self.since.get(node.id)
        return before if before and before[0] == node.beat_at else (node.beat_at, now)

    def _silent(self, node: NodeSeen, now: float) -> bool:
        return now - self.since[node.id][1] >= node.ttl_s

    def _gone(self, node: NodeSeen, start_of: StartOf) -> bool:
        mine = (self.me.boot_id, self.me.pid_ns)
        if None in mine or mine != (node.boot_id, node.pid_ns) or node.pid_start is None:
            return False
        return start_of(node.pid) != node.pid_start and not self._guarded(node, start_of)

    def _guarded(self, node: NodeSeen, start_of: StartOf) -> bool:
        """Tell whether actors of a dead process, or processes that they started, may still live."""
        if node.guardian_pid is None or node.guardian_start is None:
            return False
        return start_of(node.guardian_pid) == node.guardian_start
