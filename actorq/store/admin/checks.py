"""The judgement of `actorq doctor` on what it has read: pure functions from facts to findings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Literal

import msgspec

from actorq.english import count
from actorq.store.admin.ranges import UNMATCHED
from actorq.store.admin.rows import (
    AstrayLease,
    HiddenTable,
    IdSequence,
    NodeStatus,
    Orphans,
    Reference,
    ServerFacts,
    TableRows,
    UnservedLane,
)
from actorq.store.session.connection import Pooling, transport_risk

Level = Literal["ok", "warn", "bad"]

OLDEST_VERSION = 15
LONG_SNAPSHOT_S = 600.0
OLD_XIDS = 1_000_000_000
"""Half of what PostgreSQL allows; vacuum should have frozen the rows at a fifth of this."""

MANY_DEAD = 100_000
N_TRIGGERS = 6

STRAYS = {
    "lost": "pending, but neither waiting nor leased, so never run",
    "both": "waiting and leased at once, so run twice",
    "twice": "waiting twice, so run twice",
    "stale": "waiting, but final or gone",
    "misplaced": "waiting in the wrong place, where cancel does not look",
}


class Check(msgspec.Struct, frozen=True):
    """One finding; `text` says what was found and, if that is not well, what to do."""

    name: str
    level: Level
    text: str


def check_version(facts: ServerFacts) -> Check:
    """Check that the server is new enough."""
    found = f"PostgreSQL {facts.version_text}"
    if facts.version >= OLDEST_VERSION * 10_000:
        return Check("server", "ok", found)
    return Check("server", "bad", f"{found}: actorq needs {OLDEST_VERSION} or newer")


def check_encoding(facts: ServerFacts) -> Check:
    """Check that every text can be stored."""
    if facts.encoding == "UTF8":
        return Check("encoding", "ok", "UTF8")
    return Check("encoding", "bad", f"{facts.encoding}: create a database with UTF8")


def check_durable(facts: ServerFacts) -> Check:
    """Check that a committed job survives a crash of the machine."""
    if facts.durable:
        return Check("durability", "ok", "fsync and full_page_writes are on")
    text = "fsync or full_page_writes is off: a crash of the machine can lose or ruin everything"
    return Check("durability", "warn", text)


def check_autovacuum(facts: ServerFacts) -> Check:
    """Check that dead rows are removed at all."""
    if facts.autovacuum:
        return Check("autovacuum", "ok", "on")
    return Check("autovacuum", "bad", "off: set autovacuum = on and track_counts = on")


def check_snapshots(facts: ServerFacts) -> Check:
    """Check that no old transaction prevents dead rows from being removed."""
    ages = [facts.oldest_snapshot_s or 0.0, facts.oldest_prepared_s or 0.0]
    text = f"the oldest transaction has been open for {max(ages):.0f} s"
    if max(ages) < LONG_SNAPSHOT_S:
        return Check("transactions", "ok", text)
    return Check("transactions", "warn", f"{text}: dead rows stay meanwhile (pg_stat_activity)")


def check_wraparound(facts: ServerFacts) -> Check:
    """Check that vacuum freezes rows in time: near 2 billion the server stops all writing."""
    age = facts.oldest_xid_age
    text = f"the oldest row that is not frozen is {age:,} transactions old"
    if age < OLD_XIDS:
        return Check("wraparound", "ok", text)
    return Check("wraparound", "bad", f"{text}: end what holds vacuum up, then VACUUM (FREEZE)")


def check_triggers(facts: ServerFacts) -> Check:
    """Check that inserted jobs become ready."""
    if facts.triggers_off:
        text = f"disabled on table job: {facts.triggers_off} (ALTER TABLE … ENABLE TRIGGER)"
        return Check("triggers", "bad", text)
    if facts.n_triggers < N_TRIGGERS:
        return Check("triggers", "bad", "missing on table job: inserted jobs would never run")
    return Check("triggers", "ok", "all enabled")


FACT_CHECKS: tuple[Callable[[ServerFacts], Check], ...] = (
    check_version,
    check_encoding,
    check_durable,
    check_autovacuum,
    check_snapshots,
    check_wraparound,
    check_triggers,
)


def check_hidden(tables: list[HiddenTable]) -> Check:
    """Check that this role sees every row."""
    if not tables:
        return Check("row security", "ok", "this role sees all rows")
    names = ", ".join(table.name for table in tables)
    text = (
        f"row-level security hides rows of {names} from this role: doctor, and supervisors, need "
        "one that owns the tables or has the attribute BYPASSRLS"
    )
    return Check("row security", "bad", text)


def check_connection(pooling: Pooling) -> Check:
    """Check that this client keeps its server process until it disconnects."""
    if pooling == "none":
        return Check("connection", "ok", "direct")
    if pooling == "session":
        return Check("connection", "ok", "through a pooler, by session: each supervisor needs five")
    text = (
        "through a transaction pooler: fine for enqueuing, but a supervisor needs a direct "
        "connection, or one pooled by session"
    )
    return Check("connection", "bad", text)


def check_transport(host: str, sslmode: str) -> Check:
    """Check that a distant server's identity is verified."""
    risk = transport_risk(host, sslmode)
    return Check("transport", "warn" if risk else "ok", risk or f"{host}, sslmode={sslmode}")


def check_tables(tables: list[TableRows]) -> Check:
    """Check that vacuum keeps up with the tables that change most."""
    text = ", ".join(f"{t.name} {t.n_dead:,} dead of {_n_rows(t):,}" for t in tables)
    if any(t.n_dead > MANY_DEAD and t.n_dead > t.n_live for t in tables):
        return Check("dead rows", "warn", f"{text}: vacuum does not keep up")
    return Check("dead rows", "ok", text)


def check_references(keys: list[Reference]) -> Check:
    """Check that no foreign key of somebody else's blocks pruning, or slows each outcome."""
    if not keys:
        return Check("references", "ok", "no foreign key refers to job")
    names = ", ".join(f"{key.name} of {key.from_table}" for key in keys)
    text = f"foreign keys refer to job, which slows every outcome down: {names}"
    if any(key.keeps for key in keys):
        text += "; prune keeps the jobs that they name, unless they say ON DELETE SET NULL"
    return Check("references", "warn", text)


def check_nodes(nodes: list[NodeStatus]) -> Check:
    """Check that all supervisors are alive."""
    late = [node for node in nodes if node.beat_age_s > 3 * node.ttl_s]
    text = count(len(nodes) - len(late), "live supervisor")
    if not late:
        return Check("supervisors", "ok", text)
    names = ", ".join(f"{n.host} pid {n.pid} ({n.beat_age_s:.0f} s)" for n in late[:5])
    return Check("supervisors", "warn", f"{text}; dead, not cleared away yet: {names}")


def check_orphans(orphans: Orphans) -> Check:
    """Check that every lease has its supervisor."""
    if not orphans.n_leases:
        return Check("leases", "ok", "each has its supervisor")
    text = (
        f"{count(orphans.n_leases, 'lease')} ({count(orphans.n_jobs, 'job')}, oldest"
        f" {orphans.oldest_s:.0f} s) without supervisor: any running one gives them back"
    )
    return Check("leases", "warn", text)


def check_astray(leases: list[AstrayLease]) -> Check:
    """Check that every lease names the lane of its jobs."""
    if not leases:
        return Check("lanes", "ok", "every lease names the lane of its jobs")
    n_jobs = sum(lease.n_jobs for lease in leases)
    text = (
        f"{count(n_jobs, 'job')} under {count(len(leases), 'lease')} of another kind or queue (job"
        f" {leases[0].job}), as after a restore into other lanes. Run: actorq doctor --repair"
    )
    return Check("lanes", "bad", text)


def check_sequences(behind: list[IdSequence]) -> Check:
    """Check that the next ids are free; restores and replication do not ensure that."""
    if not behind:
        return Check("ids", "ok", "the sequences are ahead of the rows")
    names = ", ".join(table.name for table in behind if table.behind)
    if not names:
        return Check("ids", "warn", "not checked, because this role may not read the sequences")
    text = f"the sequence is behind the rows of {names}: actorq doctor --repair"
    return Check("ids", "bad", text)


def check_unserved(lanes: list[UnservedLane]) -> list[Check]:
    """Check that somebody works on what is due; one finding per lane that nobody serves."""
    if not lanes:
        return [Check("service", "ok", "no due job waits without a supervisor for it")]
    return [
        Check(
            "service",
            "warn",
            f"no supervisor seems to serve kind {lane.kind} in queue {lane.queue}:"
            f" {'at least ' if lane.more else ''}{count(lane.n, 'job')} due,"
            f" the oldest for {lane.oldest_s:.0f} s",
        )
        for lane in lanes
    ]


def check_strays(found: dict[int, str]) -> Check:
    """Check that every pending job is in exactly one of `ready` and `lease`."""
    if not found:
        return Check("membership", "ok", "every pending job is either waiting or leased")
    parts = [
        f"{n:,} {STRAYS[what]} (job {_first(found, what)})"
        for what, n in sorted(Counter(found.values()).items())
    ]
    return Check("membership", "bad", "; ".join(parts) + ". Run: actorq doctor --repair")


def check_unmatched(found: dict[int, str]) -> Check:
    """Check that failures and results belong to their jobs."""
    if not found:
        return Check("belongings", "ok", "every failure and result fits its job")
    parts = [
        f"{n:,} {UNMATCHED[what]} (job {_first(found, what)})"
        for what, n in sorted(Counter(found.values()).items())
    ]
    return Check("belongings", "warn", "; ".join(parts) + ". Run: actorq doctor --repair")


def worst(checks: Iterable[Check]) -> Level:
    """Return the worst level among the findings."""
    levels = {check.level for check in checks}
    return next((level for level in ("bad", "warn") if level in levels), "ok")


def _first(found: dict[int, str], what: str) -> int:
    return min(job for job, found_what in found.items() if found_what == what)


def _n_rows(table: TableRows) -> int:
    return table.n_live + table.n_dead
