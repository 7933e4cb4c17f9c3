"""What clients, supervisors, people and time can do to a queue, each done twice and compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from actorq.core.job.model import ClaimedBatch, Counts, Settlement
from actorq.core.job.states import PRUNABLE
from actorq.core.plan.effects import Claim
from actorq.core.store_values import ClaimReply, ReadyPosition
from actorq.store.admin import change, prune
from actorq.store.queue.cancel import cancel
from actorq.store.session.faults import LockTimeout
from tests.model.queue import ALONE_AFTER, HOUR, LOST_BUDGET, Fate, Job, Name, Part, Queue, Span
from tests.model.world import KINDS, World, settlement
from tests.store.kit import as_node

Draw = Any  # of hypothesis: a strategy in, a value out

LONG_LINGER_S = 1800.0
MEANWHILE = ["nothing", "nothing", "nothing", "later", "cancel", "lock", "tamper", "death"]
"""What gets in the way between an outcome and its settle."""

FATES = st.one_of(
    st.sampled_from([Fate("done"), Fate("result"), Fate("open")]),
    st.sampled_from([Fate("error", 1), Fate("fail"), Fate("cancel"), Fate("bad")]),
    st.builds(Fate, st.sampled_from(["retry", "snooze"]), st.integers(0, 2), st.just(0)),
    st.builds(Fate, st.just("crash"), st.just(1), st.integers(-2, 2)),
    st.builds(Fate, st.just("return"), st.just(0), st.integers(-2, 2)),
)
kinds = st.sampled_from(KINDS)


class Deeds:
    """Hold both queues, and what supervisors remember."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.queue = Queue()
        self.n_args = self.n_nodes = 0
        self.leases: dict[str, int] = {}  # node → the number of its last lease
        self.settles: dict[str, int] = {}  # node → the number of its last settle
        self.batches: dict[Name, ClaimedBatch] = {}
        self.sent: list[tuple[list[Part], list[Settlement]]] = []
        self.frontiers: dict[tuple[str, int], dict[int, ReadyPosition]] = {}
        self.now = 0

    def clocked(self, call: Any) -> tuple[Any, Span]:
        """Call something; return its result and the span in which it happened."""
        before = self.world.now()
        result = call()
        self.now = self.world.now()
        return result, (before, self.now)

    # ---- clients ----------------------------------------------------------------------------

    def do_enqueue(self, draw: Draw) -> None:
        kind, how = draw(kinds), draw(st.sampled_from(["one", "unique", "many", "ids"]))
        priority = draw(st.integers(3, 5))
        if how == "one":
            wait_s = 3600 * draw(st.integers(0, 2))
            limit = draw(st.sampled_from([None, 1, 3]))
            self._enqueue_one(kind, priority=priority, delay_s=wait_s, max_attempts=limit)
        elif how == "unique":
            self._enqueue_unique(kind, "x")
        else:
            self.enqueue_many(kind, draw(st.integers(2, 9)), priority, how == "ids")

    def _args(self) -> dict[str, int]:
        self.n_args += 1
        return {"n": self.n_args}

    def _came(self, kind: str, ids: list[int], n: int, span: Span, **options: Any) -> None:
        later = options.get("delay_s", 0) * 1_000_000
        between = span[0] + later, span[1] + later
        limit, priority = options.get("max_attempts"), options.get("priority", 5)
        for k, id_ in enumerate(ids):
            assert id_ not in self.queue.jobs
            self.queue.jobs[id_] = Job(id_, kind, n + k, priority, limit, between)

    def _enqueue_one(self, kind: str, **options: Any) -> None:
        args = self._args()
        job, span = self.clocked(lambda: self.world.kinds[kind].enqueue(args, **options))
        self._came(kind, [job.id], args["n"], span, **options)

    def enqueue_many(self, kind: str, n: int, priority: int, with_ids: bool) -> None:
        items = [self._args() for _ in range(n)]
        last = max(self.queue.jobs, default=0)
        many: Callable[..., Any] = self.world.kinds[kind].enqueue_many
        ids, span = self.clocked(lambda: many(items, priority=priority, return_ids=with_ids))
        if not with_ids:
            assert ids == n
            text = "SELECT id FROM actorq.job WHERE id > %s AND (args->>'n')::int >= %s ORDER BY id"
            ids = [row[0] for row in self.world.conn.execute(text, [last, items[0]["n"]])]
        self._came(kind, ids, items[0]["n"], span, priority=priority)

    def _enqueue_unique(self, kind: str, key: str) -> None:
        holder, args = self.queue.holder(kind, key), self._args()
        call = self.world.kinds[kind].enqueue
        job, span = self.clocked(lambda: call(args, unique_key=key))
        assert (job.is_new, job.id == holder) == (holder is None, holder is not None)
        if job.is_new:
            self._came(kind, [job.id], args["n"], span)
            self.queue.keys[kind, key] = job.id
            self.queue.keyed[job.id] = kind, key

    # ---- claim, give back, read -------------------------------------------------------------

    def do_claim(self, draw: Draw) -> None:
        """Claim as any node there ever was: the claim of a dead one may come late."""
        node = draw(st.sampled_from([*sorted(self.queue.alive), *sorted(self.leases)]))
        limit, min_n = draw(st.sampled_from([9, 9, 2, 0])), draw(st.sampled_from([1, 1, 4]))
        self._claim(draw, node, limit, min_n, draw(st.booleans()))

    def _claim(self, draw: Draw, node: str, limit: int, min_n: int, onwards: bool) -> None:
        kind = draw(kinds)
        suspect = draw(st.sampled_from(sorted(self.queue.groups(kind)) or [0]))
        frontier = self.frontiers.get((kind, suspect), {}) if onwards else {}
        self.leases[node] += 1
        lease = self.leases[node]
        ask = Claim(
            self.world.lanes[kind], lease, limit, suspect,
            frontier=frontier, min_n=min_n, linger_s=LONG_LINGER_S,
        )  # fmt: skip
        claimed, (before, _) = self.clocked(lambda: as_node(self.world.store, node).claim(ask))
        due = self.queue.due(kind, suspect, before, frontier)
        oldest_s = (before - min((job.run_at for job in due), default=before)) / 1e6
        held = min_n > 1 and len(due) < min_n and oldest_s < LONG_LINGER_S
        taken = [] if held else due[:limit]
        self.check_claimed(claimed, taken)
        assert claimed.n_waiting == (min(len(due), min_n) if min_n > 1 and not taken else 0)
        self.queue.claim((node, lease), kind, suspect, taken)
        for batch in claimed.batches:
            self.batches[node, lease] = batch
            self.frontiers[kind, suspect] = claimed.last

    def check_claimed(self, claimed: ClaimReply, jobs: list[Job]) -> None:
        assert claimed.n_taken == len(jobs)
        assert len(claimed.batches) == bool(jobs)
        last = {job.priority: job for job in jobs}
        assert claimed.last.keys() == last.keys()
        for priority, job in last.items():  # a block is known by its first job
            alike = {other.id for other in jobs if other.run_at == job.run_at}
            us, first = claimed.last[priority]
            assert us == job.run_at
            assert first in {id_ for id_ in alike if id_ <= job.id}
        for batch in claimed.batches:
            self._check_batch(batch, jobs)

    def _check_batch(self, batch: ClaimedBatch, jobs: list[Job]) -> None:
        assert batch.ids == [job.id for job in jobs]
        assert b",".join(batch.args) == ",".join(_args_text(job) for job in jobs).encode()
        notes = {k: _counts(job) for k, job in enumerate(jobs)}
        assert batch.notes == {k: note for k, note in notes.items() if note != Counts()}

    def do_give_back(self, draw: Draw) -> None:
        if not self.queue.leases:
            return
        name = draw(st.sampled_from(sorted(self.queue.leases)))
        lease = self.queue.leases[name]
        seq = draw(st.sampled_from([lease.seq, None, lease.seq - 1]))
        store = as_node(self.world.store, name[0])
        if lease.open & self.queue.locked and seq in (None, lease.seq):
            _times_out(lambda: store.give_back(name[1], seq=seq))
        else:
            assert store.give_back(name[1], seq=seq) == self.queue.give_back(name, seq)

    def do_look(self, draw: Draw) -> None:
        """Ask for a node's leases, and for the batch of a claim whose reply was lost."""
        if not self.batches:
            return
        name = draw(st.sampled_from(sorted(self.batches)))
        held = sorted(n for node, n in self.queue.leases if node == name[0])
        store = as_node(self.world.store, name[0])
        assert store.beat() == (held if name[0] in self.queue.alive else None)
        batches, lease = store.read(name[1]), self.queue.leases.get(name)
        assert store.open_jobs(name[1]) == _in_order(lease)
        if lease is None or lease.touched:
            assert batches == []
        else:
            (batch,) = batches
            self._check_batch(batch, [self.queue.jobs[id_] for id_ in lease.jobs])

    # ---- outcomes ---------------------------------------------------------------------------

    def do_work(self, draw: Draw) -> None:
        """Claim whatever is there, and write outcomes of that or of something else."""
        node = draw(st.sampled_from(sorted(self.queue.alive)))
        self._claim(draw, node, 9, 1, False)
        self.do_settle(draw)

    def do_settle(self, draw: Draw) -> None:
        """Write outcomes of some of a node's batches, or keep them for later."""
        if not self.queue.leases:
            return
        node = draw(st.sampled_from(sorted({name[0] for name in self.queue.leases})))
        mine = sorted(name for name in self.queue.leases if name[0] == node)
        some = draw(st.lists(st.sampled_from(mine), min_size=1, max_size=3, unique=True))
        parts = [self._part(draw, name) for name in some]
        sent = [settlement(p, self.batches[p.node, p.lease], self.queue) for p in parts]
        self.sent.append((parts, sent))
        meanwhile = draw(st.sampled_from(MEANWHILE))
        self._happen(meanwhile, draw, parts)
        if meanwhile != "later":
            self.send(parts, sent)

    def _happen(self, what: str, draw: Draw, parts: list[Part]) -> None:
        ids = [id_ for part in parts for id_ in part.fates]
        victim = draw(st.sampled_from(ids)) if ids else 0
        match what:
            case "cancel" if victim:
                self._cancel([victim])
            case "lock" if victim and not self.queue.locked:
                self._lock({victim})
            case "tamper" if victim and victim not in self.queue.locked:
                self._tamper(victim)
            case "death" if parts[0].node in self.queue.alive:
                as_node(self.world.store, parts[0].node).leave()
                self.queue.alive.remove(parts[0].node)
                self.register()
                self.reap(3)

    def _part(self, draw: Draw, name: Name) -> Part:
        lease, batch = self.queue.leases[name], self.batches[name]
        ids = _in_order(lease)
        drawn = draw(st.lists(FATES, min_size=len(ids), max_size=len(ids)))
        fates = {id_: f for id_, f in zip(ids, drawn, strict=True) if f.what != "open"}
        noted = {id_: batch.notes.get(k, Counts()).attempt for k, id_ in enumerate(batch.ids)}
        return Part(*name, lease.seq, noted, fates, set(ids) - set(fates))

    def do_replay(self, draw: Draw) -> None:
        """Send again, or late, what may be written already or void by now."""
        if self.sent:
            self.send(*draw(st.sampled_from(self.sent)))

    def send(self, parts: list[Part], sent: list[Settlement]) -> None:
        node = parts[0].node
        no = self.settles[node] + 1
        settled, span = self.clocked(lambda: self.world.settle(node, no, sent))
        said = self.queue.settle(parts, span)
        assert (settled.leases, settled.seqs) == (said.leases, said.seqs)
        assert set(settled.missing) == said.missing
        assert set(settled.kept) == said.kept
        assert set(settled.refused) == said.refused
        if node in self.queue.alive:
            self.settles[node] = no
        assert as_node(self.world.store, node).settle_no(no) == (
            no if node in self.queue.alive else None
        )
        if said.missing:
            if said.missing & self.queue.locked:
                self.unlock()
            assert self.world.store.mend(sorted(said.missing)) == len(said.missing)

    # ---- nodes live and die -----------------------------------------------------------------

    def register(self) -> None:
        self.n_nodes += 1
        node = self.world.register(self.n_nodes)
        self.queue.alive.add(node)
        self.leases[node] = self.settles[node] = 0

    def do_node(self, draw: Draw) -> None:
        """Let a node be born, or declare one dead; not if it has beaten since it was looked at."""
        what = draw(st.sampled_from(["born", "dead", "late"]))
        if what == "born" or len(self.queue.alive) < 2:
            self.register()
            return
        node = draw(st.sampled_from(sorted(self.queue.alive)))
        seen = next(seen for seen in self.world.store.nodes() if seen.id == node)
        if what == "late":
            as_node(self.world.store, node).beat()
        assert self.world.store.bury(node, seen.beat_at) == (what == "dead")
        if what == "dead":
            self.queue.alive.remove(node)

    def do_reap(self, draw: Draw) -> None:
        self.reap(draw(st.integers(1, 3)))

    def reap(self, limit: int) -> None:
        kinds = {self.queue.leases[name].kind for name in self.queue.orphans()}
        reaped = self.world.store.reap(limit, LOST_BUDGET, ALONE_AFTER)
        counts = reaped.leases, reaped.returned, reaped.failed, reaped.cancelled
        assert counts == self.queue.reap(limit)
        assert {self.world.lanes[kind] for kind in kinds} >= set(reaped.lanes)
        assert bool(reaped.lanes) == bool(reaped.returned)

    # ---- people, and time -------------------------------------------------------------------

    def do_manage(self, draw: Draw) -> None:
        what = draw(st.sampled_from(["cancel", "cancel", "retry", "retry", "prune"]))
        if what == "prune":
            states = [draw(st.sampled_from(PRUNABLE))]
            n = sum(p.n_deleted for p in prune.prune(self.world.conn, states=states))
            assert n == self.queue.prune(states)
        elif what == "cancel":
            self._cancel(self._some(draw, "pending"))
        else:
            ids = self._some(draw, "failed")
            taken, span = self.clocked(lambda: change.retry(self.world.conn, ids).taken)
            assert taken == self.queue.retry(ids, span)

    def _some(self, draw: Draw, state: str) -> list[int]:
        """Choose jobs, most of them in a state."""
        every = sorted(self.queue.jobs)
        likely = [id_ for id_ in every if self.queue.jobs[id_].state == state]
        return draw(st.lists(st.sampled_from(likely * 3 + every), max_size=5)) if every else []

    def _cancel(self, ids: list[int]) -> None:
        found, said = cancel(self.world.conn, ids), self.queue.cancel(ids)
        assert {name: getattr(found, name) for name in said} == said

    def _tamper(self, id_: int) -> None:
        """Change a job by hand, so that its outcome finds another attempt."""
        self.world.conn.execute("UPDATE actorq.job SET attempt = attempt + 1 WHERE id = %s", [id_])
        self.queue.jobs[id_].attempt += 1

    def do_lock(self, draw: Draw) -> None:
        pending = sorted(job.id for job in self.queue.jobs.values() if job.state == "pending")
        if self.queue.locked:
            self.unlock()
        elif pending:
            self._lock(draw(st.sets(st.sampled_from(pending), max_size=3)))

    def _lock(self, ids: set[int]) -> None:
        self.queue.locked = {id_ for id_ in ids if self.queue.jobs[id_].state == "pending"}
        self.world.lock(self.queue.locked)

    def unlock(self) -> None:
        self.world.unlock()
        self.queue.locked = set()

    def do_advance(self, _: Draw) -> None:
        """Let an hour pass."""
        if not self.queue.locked:
            self.world.advance(HOUR)
            self.queue.advance(HOUR)
            self.frontiers.clear()


def _args_text(job: Job) -> str:
    return f'{{"n":{job.n}}}'


def _counts(job: Job) -> Counts:
    return Counts(job.attempt, job.n_failed, job.n_crashed, job.n_lost, job.max_attempts)


def _in_order(lease: Any) -> list[int]:
    return [id_ for id_ in lease.jobs if id_ in lease.open] if lease else []


def _times_out(call: Any) -> None:
    try:
        call()
    except LockTimeout:
        return
    raise AssertionError("a lock of somebody else was passed over")
