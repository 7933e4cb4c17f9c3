"""The queue as a supervisor's thread sees it: one connection, one method per statement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from actorq.core.job.model import ClaimedBatch, Settlement
from actorq.core.lanes.claim_turns import Turns
from actorq.core.plan.effects import Claim
from actorq.core.store_values import (
    ClaimReply,
    Due,
    DueAsk,
    Left,
    NodeInfo,
    NodeSeen,
    Reaped,
    SettleReply,
)
from actorq.store.admin.doctor import repair_jobs
from actorq.store.counters.fold import fold
from actorq.store.queue import claims, settles
from actorq.store.schema.version import check, check_version, code
from actorq.store.session.calls import Calls, array, text_array
from actorq.store.session.connection import Session, connect
from actorq.store.session.faults import Forbidden, LockTimeout, translated
from actorq.store.session.statements import quoted

Key = tuple[str, str]
"""Kind and unique key."""


class QueueStore:
    """The queue over one connection, for one node; only one thread may use it.

    A node is named by its uuid. Leases, settles and hunger are those of this node, unless another
    node is named.

    Every method raises the errors of `store.session.faults`. After a StoreUnavailable that is not
    OnHold the connection is gone, and whether the last call was applied is unknown.
    """

    def __init__(self, session: Session, schema: str, node: str) -> None:
        self._session = session
        self._calls = Calls(session, schema)
        self._turns = Turns()
        self._schema = schema
        self._node = node
        # As of the last beat: somebody reads what supervisors tell, and what they report.
        self.is_followed = self.is_watched = False

    @classmethod
    def connect(
        cls, dsn: str, schema: str = "actorq", name: str = "actorq", *, node: str, **timeouts: Any
    ) -> QueueStore:
        """Connect, and check that this code can work with the schema and sees all of it."""
        session = connect(dsn, name=name, schema=schema, **timeouts)
        try:
            check(session, schema)
            store = cls(session, schema, node)
            store._check_seen()
            return store
        except BaseException:
            session.close()
            raise

    def _check_seen(self) -> None:
        """Refuse a role that does not see all jobs, since hidden ones would seem to be gone."""
        if hidden := [name for (name,) in self._calls.rows("admin_hidden")]:
            raise Forbidden(
                f"row-level security hides rows of {', '.join(hidden)} from this role: a "
                "supervisor's role must own the tables, or have the attribute BYPASSRLS"
            )

    def close(self) -> None:
        """Close the connection; safe to call twice."""
        self._session.close()

    @property
    def alive(self) -> bool:
        """Return whether the connection can still be used, as far as the client knows."""
        return not (self._session.closed or self._session.broken)

    # Nodes

    def register(self, node: NodeInfo) -> None:
        """Register a supervisor under its fresh uuid."""
        self._calls.do(
            "node_register",
            node=node.id,
            host=node.host,
            boot_id=node.boot_id,
            pid_ns=node.pid_ns,
            pid=str(node.pid),
            pid_start=node.pid_start,
            ttl_s=str(node.ttl_s),
            guardian_pid=None if node.guardian_pid is None else str(node.guardian_pid),
            guardian_start=node.guardian_start,
            code=str(code()),
        )

    def beat(self) -> list[int] | None:
        """Report that the node lives; return its leases, or None if it was declared dead."""
        alive, leases, self.is_followed, self.is_watched = self._calls.row(
            "node_beat", node=self._node
        )
        return sorted(leases) if alive else None

    def check_version(self) -> None:
        """Raise SchemaMismatch if a contract has been begun that this code cannot work with."""
        check_version(self._session, self._schema)

    def nodes(self) -> list[NodeSeen]:
        """List the registered nodes."""
        return [NodeSeen(*row) for row in self._calls.rows("node_list")]

    def bury(self, node: str, beat_at: int) -> bool:
        """Declare another node dead unless it has beaten since; return whether that was done."""
        return bool(self._calls.row("node_bury", node=node, beat_us=str(beat_at))[0])

    def leave(self) -> None:
        """Remove the node's own row at a clean exit."""
        self._calls.row("node_bury", node=self._node, beat_us=None)

    def settle_no(self, like: int) -> int | None:
        """Return the number of the last settle that was applied, None if the node is dead.

        Only numbers with the parity of `like` count: the other settler has the others.
        """
        rows = self._calls.rows("settle_no", node=self._node, like=str(like))
        return rows[0][0] if rows else None

    # Jobs

    def lanes(self, pairs: Sequence[tuple[str, str]]) -> dict[tuple[str, str], int]:
        """Return the ids of the lanes (queue, kind), creating those that do not exist."""
        queues, kinds = text_array(q for q, _ in pairs), text_array(k for _, k in pairs)
        try:
            self._calls.do("lanes", queues=queues, kinds=kinds)
        except LockTimeout as exc:
            raise LockTimeout(
                "somebody's transaction makes a lane of one of these kinds and does not end: "
                f"{', '.join(sorted({kind for _, kind in pairs}))}. Look into "
                f"pg_prepared_xacts and pg_stat_activity ({exc})"
            ) from exc
        rows = self._calls.rows("lanes_read", queues=queues, kinds=kinds)
        return {(queue, kind): n for queue, kind, n in rows}

    def remember_kind(self, name: str, fingerprint: str) -> str | None:
        """Store the type of a kind's args; return the one stored before."""
        row = self._calls.row("kind_remember", kind=name, fingerprint=fingerprint)
        before: str | None = row[0]
        return before

    def claim(self, ask: Claim) -> ClaimReply:
        """Take due jobs of one lane and put them under leases."""
        return claims.claim(self._calls, self._turns, self._node, ask)

    def due(self, asks: Sequence[DueAsk]) -> list[Due]:
        """Return for every lane at once what is due and when the next job is due."""
        return claims.due(self._calls, asks)

    def left(self, lanes: Sequence[int]) -> list[Left]:
        """Count what is not final in some lanes: due, due later, under leases."""
        return claims.left(self._calls, lanes)

    def read(self, lease: int, n_leases: int = 1) -> list[ClaimedBatch]:
        """Return the batches of leases that can be run as they are; others can be given back."""
        return claims.read(self._calls, self._node, lease, n_leases)

    def open_jobs(self, n: int) -> list[int]:
        """Return the jobs that wait for their outcome under a lease; none if it is gone."""
        return claims.open_jobs(self._calls, self._node, n)

    def give_back(self, lease: int, n_leases: int = 1, *, seq: int | None = None) -> int:
        """Return the batches of leases that follow one another to `ready`, uncharged.

        Returns how many of the leases were there, with this sequence number if one is given.
        """
        first, last = str(lease), str(lease + n_leases - 1)
        fence = None if seq is None else str(seq)
        row = self._calls.row("give_back", node=self._node, lease=first, last=last, seq=fence)
        return int(row[0])

    def settle(self, settle_no: int, settlements: Sequence[Settlement]) -> SettleReply:
        """Write what became of the jobs of any number of batches, in one statement.

        Raises LockTimeout if somebody else has locked one of the jobs, RowRefused if the database
        refuses a value; then nothing is written.
        """
        return settles.settle(self._calls, self._node, settle_no, settlements)

    def settle_around_locks(self, settle_no: int, settlements: Sequence[Settlement]) -> SettleReply:
        """Settle the jobs that nobody else has locked; `kept` stay open under their lease."""
        return settles.settle_around_locks(self._calls, self._node, settle_no, settlements)

    def settle_first(
        self, settle_no: int, settlements: Sequence[Settlement], n: int
    ) -> SettleReply:
        """Settle n of the jobs of a settle that is too slow; `kept`, all others, stay open."""
        return settles.settle_first(self._calls, self._node, settle_no, settlements, n)

    def settle_refused(
        self, settle_no: int, settlements: Sequence[Settlement], reason: str
    ) -> SettleReply:
        """Settle after RowRefused: fail the jobs whose outcome is refused, write all others.

        `kept` are jobs that may not even fail: they stay open under their lease.
        """
        return settles.settle_refused(self._calls, self._node, settle_no, settlements, reason)

    def mend(self, ids: Sequence[int]) -> int:
        """Put jobs that a settle has missed back into `ready`; return how many needed that."""
        return repair_jobs(self._session, list(ids), self._schema).n_added

    def reap(self, limit: int, lost_budget: int, alone_after: int) -> Reaped:
        """Return the jobs of at most `limit` leases that no live node owns.

        A lease with a job that somebody else has locked is left for the next round.
        """
        how = {
            "limit": str(limit),
            "lost_budget": str(lost_budget),
            "alone_after": str(alone_after),
        }
        try:
            row = self._calls.row("reap", **how, spared="{}")
        except LockTimeout:
            spared = text_array(name for (name,) in self._calls.rows("reap_blocked"))
            row = self._calls.row("reap", **how, spared=spared)
        return Reaped(*row)

    def sweep_keys(self, after: Key, limit: int) -> tuple[Key | None, int]:
        """Remove stale unique keys among the next ones; return the last one and how many went.

        The last one is None at the end of all keys.
        """
        with translated(), self._session.transaction():
            kind, key = after
            stale = self._calls.row("key_stale", kind=kind, key=key, limit=str(limit))
            n, *last, kinds, keys = stale
            names = {"kinds": text_array(kinds), "keys": text_array(keys)}
            n_swept = self._calls.do("key_sweep", **names) if keys else 0
        return ((last[0], last[1]) if n == limit else None), n_swept

    def fold(self) -> int:
        """Fold changes into minutes and drop old ones; return how many were folded."""
        return fold(self._calls)

    def tell(self, no: int, events: Sequence[tuple[float, str, Any]]) -> None:
        """Store some events of this node for followers; `no` is the number of the last."""
        text = msgspec.json.encode(events).decode()
        row = {"no": str(no), "n": str(len(events)), "events": text}
        self._calls.do("tell", node=self._node, **row)

    def report(self, text: bytes) -> None:
        """Store what this node is doing, as JSON."""
        self._calls.do("report_put", node=self._node, report=text.decode())

    def hint(self) -> None:
        """Notify followers and waiters that something has changed."""
        self._calls.do("hint")

    # Wake-up

    def hunger(self, on: set[int], off: set[int]) -> None:
        """Ask to be notified of new jobs of some lanes, and no longer of others."""
        if off:
            self._calls.do("hunger_off", node=self._node, lanes=array(sorted(off)))
        if on:
            self._calls.do("hunger_on", node=self._node, lanes=array(sorted(on)))

    def listen(self) -> None:
        """Listen for wake-ups and cancels on the channel of this schema."""
        with translated():
            row = self._session.execute(
                "SELECT 'actorq_' || to_regnamespace(%s)::oid", [quoted(self._schema)]
            ).fetchone()
            channel = row[0] if row else ""
            self._session.execute(f'LISTEN "{channel}"'.encode())

    def notifications(self, timeout_s: float) -> list[str]:
        """Wait for at most `timeout_s` seconds and return the payloads that arrived."""
        with translated():
            return [n.payload for n in self._session.notifies(timeout=timeout_s, stop_after=1)]

    def vacuum_ready(self) -> None:
        """Vacuum `ready` and `lease` now, without truncating them, so that nobody is blocked."""
        tables = f"{quoted(self._schema)}.ready, {quoted(self._schema)}.lease"
        with translated():
            self._session.execute(f"VACUUM (TRUNCATE off, SKIP_LOCKED) {tables}".encode())
