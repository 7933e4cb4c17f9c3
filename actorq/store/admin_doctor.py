"""Find what is wrong with a database, say what to do about it, and mend what can be mended.

A check is a function of what was read and returns its findings; reading is done by the SQL
files. Nothing here changes anything, except `repair`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal

import msgspec
import psycopg

from actorq.plural import count
from actorq.store.admin import Conn, run
from actorq.store.admin_ranges import (
    MAX_FOUND,
    REPAIR_CHUNK,
    UNMATCHED,
    Told,
    in_ranges,
    match_all,
    unmatched,
    untold,
)
from actorq.store.connection import (
    Pooling,
    Session,
    keeps_server,
    server_pid,
    transport_risk,
    unit,
)
from actorq.store.faults import Forbidden, translated

Level = Literal["ok", "warn", "bad"]

OLDEST_VERSION = 15
LONG_SNAPSHOT_S = 600.0
OLD_XIDS = 1_000_000_000
"""Half of what PostgreSQL lets pass; vacuum should have frozen the rows at a fifth of this."""

UNSERVED_S = 60.0
UNSERVED_ROWS = 1000
"""Rows of `ready` to count for a lane that nobody serves; above, it is told as so many or more."""

MANY_DEAD = 100_000
N_TRIGGERS = 6

STRAYS = {
    "lost": "pending, but neither waiting nor leased: they would never run",
    "both": "waiting and leased at once: they would run twice",
    "twice": "waiting twice: they would run twice",
    "stale": "waiting, but final or gone",
    "misplaced": "waiting in the wrong place: cancel would not find them",
}


class Check(msgspec.Struct, frozen=True):
    """Hold one finding; `text` says what is so, and what to do where it is not well."""

    name: str
    level: Level
    text: str


class Repaired(msgspec.Struct, frozen=True):
    """Count the rows that a repair took out of `ready` and put into it.

    `n_matched` are jobs whose failures or results did not fit them.
    """

    n_removed: int
    n_added: int
    n_matched: int = 0


def diagnose(conn: psycopg.Connection[Any], schema: str = "actorq") -> list[Check]:
    """Run every check against a database whose schema is the expected one."""
    return list(examine(conn, schema))


def examine(conn: Conn, schema: str = "actorq", told: Told = untold) -> Iterator[Check]:
    """Yield the findings as they are made: those that take a look at every job come last.

    What this connection's role may not read is told as such; all else is checked.
    """
    if hidden := run(conn, schema, "admin_hidden"):
        yield check_hidden(hidden)  # whatever else was found would be wrong
        return
    for name, look in _LOOKS:
        try:
            yield from look(conn, schema, told)
        except Forbidden as exc:
            yield Check(name, "warn", f"not looked at, for this role may not: {exc}")


def _look_at_facts(conn: Conn, schema: str, told: Told) -> Iterator[Check]:
    facts = run(conn, schema, "admin_facts")[0]
    yield from (check(facts) for check in _FACT_CHECKS)
    yield check_hidden([])


def _look_at_link(conn: Conn, schema: str, told: Told) -> Iterator[Check]:
    yield check_connection(_pooling(conn))
    yield check_transport(conn.info.host, conn.info.get_parameters().get("sslmode", "prefer"))


def _look_at_tables(conn: Conn, schema: str, told: Told) -> Iterator[Check]:
    yield check_tables(run(conn, schema, "admin_tables"))


def _look_at_references(conn: Conn, schema: str, told: Told) -> Iterator[Check]:
    yield check_references(run(conn, schema, "admin_references"))


def _look_at_nodes(conn: Conn, schema: str, told: Told) -> Iterator[Check]:
    yield check_nodes(run(conn, schema, "admin_nodes"))


def _look_at_orphans(conn: Conn, schema: str, told: Told) -> Iterator[Check]:
    yield check_orphans(run(conn, schema, "admin_orphans")[0])
    yield check_astray(run(conn, schema, "admin_leases_astray"))


def _look_at_sequences(conn: Conn, schema: str, told: Told) -> Iterator[Check]:
    yield check_sequences(run(conn, schema, "admin_sequences"))


def _look_at_service(conn: Conn, schema: str, told: Told) -> Iterator[Check]:
    yield from check_unserved(run(conn, schema, "admin_unserved", UNSERVED_S, UNSERVED_ROWS))


def _look_at_places(conn: Conn, schema: str, told: Told) -> Iterator[Check]:
    yield check_strays(strays(conn, schema, told=told))


def _look_at_belongings(conn: Conn, schema: str, told: Told) -> Iterator[Check]:
    yield check_unmatched(unmatched(conn, schema, told=told))


_LOOKS: tuple[tuple[str, Callable[[Conn, str, Told], Iterator[Check]]], ...] = (
    ("server", _look_at_facts),
    ("connection", _look_at_link),
    ("dead rows", _look_at_tables),
    ("references", _look_at_references),
    ("supervisors", _look_at_nodes),
    ("leases", _look_at_orphans),
    ("ids", _look_at_sequences),
    ("service", _look_at_service),
    ("membership", _look_at_places),
    ("belongings", _look_at_belongings),
)


def strays(
    conn: Conn, schema: str = "actorq", limit: int = MAX_FOUND, told: Told = untold
) -> dict[int, str]:
    """Return up to `limit` jobs that are not where they belong, with what is wrong."""
    return in_ranges(conn, schema, "admin_strays", limit, told)


def repair(conn: Conn, schema: str = "actorq", told: Told = untold) -> Repaired:
    """Put every pending job into exactly one of `ready` and `lease`; safe beside a live queue.

    A job that is leased stays leased: its supervisor, or the reaper, will give it back. Failures
    and results are made to fit their jobs as well.
    """
    run(conn, schema, "admin_repair_sequences")
    run(conn, schema, "admin_repair_leases")
    total = Repaired(0, 0)
    while ids := list(strays(conn, schema, MAX_FOUND, told)):
        done = _repair_all(conn, schema, ids)
        total = Repaired(total.n_removed + done.n_removed, total.n_added + done.n_added)
        if len(ids) < MAX_FOUND or done == Repaired(0, 0):
            break
    run(conn, schema, "admin_prune_forget", None)
    return msgspec.structs.replace(total, n_matched=match_all(conn, schema, told))


def _repair_all(conn: Conn, schema: str, ids: list[int]) -> Repaired:
    chunks = [ids[start : start + REPAIR_CHUNK] for start in range(0, len(ids), REPAIR_CHUNK)]
    done = [repair_jobs(conn, chunk, schema) for chunk in chunks]
    return Repaired(sum(d.n_removed for d in done), sum(d.n_added for d in done))


def repair_jobs(conn: Conn, ids: list[int], schema: str = "actorq") -> Repaired:
    """Put these jobs where they belong; safe beside a live queue."""
    # Jobs first, then their rows in ready: from there on neither a settle nor a claim can move
    # them, and the last statement's snapshot sees what those under way have done.
    with translated(), unit(conn):
        for name in ("admin_repair_lanes", "admin_repair_lock_jobs", "admin_repair_lock_ready"):
            run(conn, schema, name, ids)
        return Repaired(**run(conn, schema, "admin_repair", ids)[0])


def check_version(facts: dict[str, Any]) -> Check:
    """Check that the server is new enough."""
    found = f"PostgreSQL {facts['version_text']}"
    if facts["version"] >= OLDEST_VERSION * 10_000:
        return Check("server", "ok", found)
    return Check("server", "bad", f"{found}: actorq needs {OLDEST_VERSION} or newer")


def check_encoding(facts: dict[str, Any]) -> Check:
    """Check that every text can be stored."""
    if facts["encoding"] == "UTF8":
        return Check("encoding", "ok", "UTF8")
    return Check("encoding", "bad", f"{facts['encoding']}: create a database with UTF8")


def check_durable(facts: dict[str, Any]) -> Check:
    """Check that a committed job survives a crash of the machine."""
    if facts["durable"]:
        return Check("durability", "ok", "fsync and full_page_writes are on")
    text = "fsync or full_page_writes is off: a crash of the machine can lose or ruin everything"
    return Check("durability", "warn", text)


def check_autovacuum(facts: dict[str, Any]) -> Check:
    """Check that dead rows are removed at all."""
    if facts["autovacuum"]:
        return Check("autovacuum", "ok", "on")
    return Check("autovacuum", "bad", "off: set autovacuum = on and track_counts = on")


def check_snapshots(facts: dict[str, Any]) -> Check:
    """Check that no old transaction keeps dead rows from being removed."""
    ages = [facts["oldest_snapshot_s"] or 0.0, facts["oldest_prepared_s"] or 0.0]
    text = f"the oldest transaction has been open for {max(ages):.0f} s"
    if max(ages) < LONG_SNAPSHOT_S:
        return Check("transactions", "ok", text)
    return Check("transactions", "warn", f"{text}: dead rows stay meanwhile (pg_stat_activity)")


def check_wraparound(facts: dict[str, Any]) -> Check:
    """Check that vacuum freezes rows in time: near 2 billion the server stops all writing."""
    age = facts["oldest_xid_age"]
    text = f"the oldest row that is not frozen is {age:,} transactions old"
    if age < OLD_XIDS:
        return Check("wraparound", "ok", text)
    return Check("wraparound", "bad", f"{text}: end what holds vacuum up, then VACUUM (FREEZE)")


def check_triggers(facts: dict[str, Any]) -> Check:
    """Check that inserted jobs become ready."""
    if facts["triggers_off"]:
        text = f"disabled on table job: {facts['triggers_off']} (ALTER TABLE … ENABLE TRIGGER)"
        return Check("triggers", "bad", text)
    if facts["n_triggers"] < N_TRIGGERS:
        return Check("triggers", "bad", "missing on table job: inserted jobs would never run")
    return Check("triggers", "ok", "all enabled")


_FACT_CHECKS: tuple[Callable[[dict[str, Any]], Check], ...] = (
    check_version,
    check_encoding,
    check_durable,
    check_autovacuum,
    check_snapshots,
    check_wraparound,
    check_triggers,
)


def check_hidden(tables: list[dict[str, Any]]) -> Check:
    """Check that this role sees every row."""
    if not tables:
        return Check("row security", "ok", "this role sees all rows")
    names = ", ".join(table["name"] for table in tables)
    text = (
        f"row-level security hides rows of {names} from this role: doctor, and supervisors, need "
        "one that owns the tables or has the attribute BYPASSRLS"
    )
    return Check("row security", "bad", text)


def check_connection(pooling: Pooling) -> Check:
    """Check that the connection is the server's own, or ours for as long as we stay."""
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


def check_tables(tables: list[dict[str, Any]]) -> Check:
    """Check that vacuum keeps up with the tables that change most."""
    text = ", ".join(f"{t['name']} {t['n_dead']:,} dead of {_n_rows(t):,}" for t in tables)
    if any(t["n_dead"] > MANY_DEAD and t["n_dead"] > t["n_live"] for t in tables):
        return Check("dead rows", "warn", f"{text}: vacuum does not keep up")
    return Check("dead rows", "ok", text)


def check_references(keys: list[dict[str, Any]]) -> Check:
    """Check that nobody's foreign key keeps jobs from being pruned, or costs each outcome."""
    if not keys:
        return Check("references", "ok", "no foreign key refers to job")
    names = ", ".join(f"{key['name']} of {key['from_table']}" for key in keys)
    text = f"foreign keys refer to job, which makes every outcome dearer: {names}"
    if any(key["keeps"] for key in keys):
        text += "; prune keeps the jobs that they name, unless they say ON DELETE SET NULL"
    return Check("references", "warn", text)


def check_nodes(nodes: list[dict[str, Any]]) -> Check:
    """Check that the supervisors give signs of life."""
    late = [node for node in nodes if node["beat_age_s"] > 3 * node["ttl_s"]]
    text = f"{len(nodes) - len(late)} live supervisors"
    if not late:
        return Check("supervisors", "ok", text)
    names = ", ".join(f"{n['host']} pid {n['pid']} ({n['beat_age_s']:.0f} s)" for n in late[:5])
    return Check("supervisors", "warn", f"{text}; dead, not cleared away yet: {names}")


def check_orphans(orphans: dict[str, Any]) -> Check:
    """Check that no lease is left without its supervisor."""
    if not orphans["n_leases"]:
        return Check("leases", "ok", "each has its supervisor")
    text = (
        f"{count(orphans['n_leases'], 'lease')} ({count(orphans['n_jobs'], 'job')}, oldest"
        f" {orphans['oldest_s']:.0f} s) without supervisor: any running one gives them back"
    )
    return Check("leases", "warn", text)


def check_astray(leases: list[dict[str, Any]]) -> Check:
    """Check that every lease names the lane that its jobs are of."""
    if not leases:
        return Check("lanes", "ok", "every lease names the lane of its jobs")
    n_jobs = sum(lease["n_jobs"] for lease in leases)
    text = (
        f"{len(leases)} leases name the lane of another kind or queue than that of their"
        f" {n_jobs:,} jobs (job {leases[0]['job']}), as after a restore into other lanes."
        " Mend with: actorq doctor --repair"
    )
    return Check("lanes", "bad", text)


def check_sequences(behind: list[dict[str, Any]]) -> Check:
    """Check that the next ids are free, which restores and replication do not see to."""
    if not behind:
        return Check("ids", "ok", "the sequences are ahead of the rows")
    names = ", ".join(table["name"] for table in behind if table["behind"])
    if not names:
        return Check("ids", "warn", "not looked at, for this role may not read the sequences")
    text = f"the sequence is behind the rows of {names}: actorq doctor --repair"
    return Check("ids", "bad", text)


def check_unserved(lanes: list[dict[str, Any]]) -> list[Check]:
    """Check that somebody works on what is due; one finding per lane that nobody serves."""
    if not lanes:
        return [Check("service", "ok", "no due job waits without a supervisor for it")]
    return [
        Check(
            "service",
            "warn",
            f"no supervisor seems to serve kind {lane['kind']} in queue {lane['queue']}:"
            f" {'at least ' if lane['more'] else ''}{count(lane['n'], 'job')} due,"
            f" the oldest for {lane['oldest_s']:.0f} s",
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
    return Check("membership", "bad", "; ".join(parts) + ". Mend with: actorq doctor --repair")


def check_unmatched(found: dict[int, str]) -> Check:
    """Check that failures and results belong to their jobs."""
    if not found:
        return Check("belongings", "ok", "every failure and result fits its job")
    parts = [
        f"{n:,} {UNMATCHED[what]} (job {_first(found, what)})"
        for what, n in sorted(Counter(found.values()).items())
    ]
    return Check("belongings", "warn", "; ".join(parts) + ". Mend with: actorq doctor --repair")


def worst(checks: Iterable[Check]) -> Level:
    """Return the worst level among the findings."""
    levels = {check.level for check in checks}
    return next((level for level in ("bad", "warn") if level in levels), "ok")


def _first(found: dict[int, str], what: str) -> int:
    return min(job for job, found_what in found.items() if found_what == what)


def _n_rows(table: dict[str, Any]) -> int:
    return int(table["n_live"] + table["n_dead"])


def _pooling(conn: Conn) -> Pooling:
    with translated():
        if server_pid(conn) == conn.info.backend_pid:
            return "none"
        return "session" if isinstance(conn, Session) and keeps_server(conn) else "transaction"
