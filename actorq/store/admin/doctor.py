"""Find what is wrong with a database, say what to do about it, and repair what can be repaired.

A check is a function of what was read and returns its findings; the SQL files do the reading.
Nothing here changes anything, except `repair`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import msgspec
import psycopg

from actorq.english import count
from actorq.store.admin.checks import (
    FACT_CHECKS,
    Check,
    check_astray,
    check_connection,
    check_hidden,
    check_nodes,
    check_orphans,
    check_references,
    check_sequences,
    check_strays,
    check_tables,
    check_transport,
    check_unmatched,
    check_unserved,
)
from actorq.store.admin.progress import Tell, untold
from actorq.store.admin.ranges import MAX_FOUND, REPAIR_CHUNK, in_ranges, match_all, unmatched
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
from actorq.store.admin.run import Conn, run, structs
from actorq.store.session.connection import (
    Pooling,
    Session,
    keeps_server,
    server_pid,
    unit,
)
from actorq.store.session.faults import Forbidden, translated

UNSERVED_S = 60.0
UNSERVED_ROWS = 1000
"""How many rows of `ready` to count for a lane that nobody serves; more show as *at least* this."""


class Repaired(msgspec.Struct, frozen=True):
    """The numbers of rows that a repair removed from `ready` and added to it.

    `n_matched` counts jobs whose failures or results did not fit them. `renamed` says that the
    schema had another name before, and that its functions were created again.
    """

    n_removed: int
    n_added: int
    n_matched: int = 0
    renamed: bool = False


def diagnose(conn: psycopg.Connection[object], schema: str = "actorq") -> list[Check]:
    """Run every check against a database whose schema is the expected one."""
    return list(examine(conn, schema))


class _Extent(NamedTuple):
    """How much to look at, all jobs or those with the lowest ids, and whom to tell the progress."""

    limit: int | None
    told: Tell


def examine(
    conn: Conn, schema: str = "actorq", told: Tell = untold, limit: int | None = None
) -> Iterator[Check]:
    """Yield the findings as they are made; those that look at every job come last.

    With `limit`, these look at so many jobs only. What this connection's role may not read is
    reported as such; everything else is checked.
    """
    extent = _Extent(limit, told)
    if hidden := structs(HiddenTable, run(conn, schema, "admin_hidden")):
        yield check_hidden(hidden)  # all other findings would be wrong
        return
    for name, look in _LOOKS:
        try:
            yield from look(conn, schema, extent)
        except Forbidden as exc:
            yield Check(name, "warn", f"not checked, because this role may not: {exc}")


def _look_at_facts(conn: Conn, schema: str, extent: _Extent) -> Iterator[Check]:
    (facts,) = structs(ServerFacts, run(conn, schema, "admin_facts"))
    yield from (check(facts) for check in FACT_CHECKS)
    yield check_hidden([])


def _look_at_link(conn: Conn, schema: str, extent: _Extent) -> Iterator[Check]:
    yield check_connection(_pooling(conn))
    yield check_transport(conn.info.host, conn.info.get_parameters().get("sslmode", "prefer"))


def _look_at_tables(conn: Conn, schema: str, extent: _Extent) -> Iterator[Check]:
    yield check_tables(structs(TableRows, run(conn, schema, "admin_tables")))


def _look_at_references(conn: Conn, schema: str, extent: _Extent) -> Iterator[Check]:
    yield check_references(structs(Reference, run(conn, schema, "admin_references")))


def _look_at_nodes(conn: Conn, schema: str, extent: _Extent) -> Iterator[Check]:
    yield check_nodes(structs(NodeStatus, run(conn, schema, "admin_nodes")))


def _look_at_orphans(conn: Conn, schema: str, extent: _Extent) -> Iterator[Check]:
    (orphans,) = structs(Orphans, run(conn, schema, "admin_leases_orphaned"))
    yield check_orphans(orphans)
    yield check_astray(structs(AstrayLease, run(conn, schema, "admin_leases_in_wrong_lane")))


def _look_at_sequences(conn: Conn, schema: str, extent: _Extent) -> Iterator[Check]:
    yield check_sequences(structs(IdSequence, run(conn, schema, "admin_sequences")))


def _look_at_service(conn: Conn, schema: str, extent: _Extent) -> Iterator[Check]:
    lanes = run(conn, schema, "admin_unserved", due_s=UNSERVED_S, most=UNSERVED_ROWS)
    yield from check_unserved(structs(UnservedLane, lanes))


def _look_at_places(conn: Conn, schema: str, extent: _Extent) -> Iterator[Check]:
    found = strays(conn, schema, told=extent.told, among=extent.limit)
    yield _within(extent, check_strays(found))


def _look_at_belongings(conn: Conn, schema: str, extent: _Extent) -> Iterator[Check]:
    found = unmatched(conn, schema, told=extent.told, among=extent.limit)
    yield _within(extent, check_unmatched(found))


def _within(extent: _Extent, check: Check) -> Check:
    """Return a finding that says among how many jobs it was made, unless among all."""
    if extent.limit is None:
        return check
    among = f"among the {count(extent.limit, 'job')} of the lowest ids"
    return msgspec.structs.replace(check, text=f"{among}: {check.text}")


_LOOKS: tuple[tuple[str, Callable[[Conn, str, _Extent], Iterator[Check]]], ...] = (
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
    conn: Conn,
    schema: str = "actorq",
    limit: int = MAX_FOUND,
    told: Tell = untold,
    among: int | None = None,
) -> dict[int, str]:
    """Return up to `limit` jobs that are not where they belong, with what is wrong."""
    return in_ranges(conn, schema, "admin_strays", limit, told, among)


def repair(conn: Conn, schema: str = "actorq", told: Tell = untold) -> Repaired:
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
    run(conn, schema, "admin_prune_forget", ids=None)
    return msgspec.structs.replace(total, n_matched=match_all(conn, schema, told))


def _repair_all(conn: Conn, schema: str, ids: list[int]) -> Repaired:
    chunks = [ids[start : start + REPAIR_CHUNK] for start in range(0, len(ids), REPAIR_CHUNK)]
    done = [repair_jobs(conn, chunk, schema) for chunk in chunks]
    return Repaired(sum(d.n_removed for d in done), sum(d.n_added for d in done))


def repair_jobs(conn: Conn, ids: list[int], schema: str = "actorq") -> Repaired:
    """Put these jobs where they belong; safe beside a live queue."""
    # Lock the jobs first, then their rows in ready. From then on neither a settle nor a claim can
    # move them, and the last statement's snapshot sees what earlier ones have done.
    with translated(), unit(conn):
        for name in ("admin_repair_lanes", "admin_repair_lock_jobs", "admin_repair_lock_ready"):
            run(conn, schema, name, ids=ids)
        return Repaired(**run(conn, schema, "admin_repair", ids=ids)[0])


def _pooling(conn: Conn) -> Pooling:
    with translated():
        if server_pid(conn) == conn.info.backend_pid:
            return "none"
        return "session" if isinstance(conn, Session) and keeps_server(conn) else "transaction"
