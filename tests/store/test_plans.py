"""Plans: lookups by index in a loop, also if they were made when the tables were empty."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from actorq.core.store_values import DueAsk, ReadyPosition
from actorq.store.queue import claims
from actorq.store.queue.queue import QueueStore
from actorq.store.session.statements import SQL, in_order, parameters_of, statement
from tests.store.kit import Kit, done

BACKLOG = 150_000
TABLES = {"job", "ready", "lease"}
NODE = "'7e57c0de-0000-4000-8000-000000000001'"
TEN = "'{0,0,0,0,0,0,0,0,0,0}'"
CLAIM = {
    "lane": "1", "suspect": "0", "limit": "1000", "size": "100", "node": NODE, "lease": "1",
    "behind_us": TEN, "behind_id": TEN, "min_n": "1", "linger_s": "0", "brings": "true",
    "takes_turn": "false", "part_jobs": "250",
}  # fmt: skip
CALLS: dict[str, dict[str, str]] = {
    "claim": CLAIM,
    "claim alone": CLAIM | {"takes_turn": "true"},
    "claim in turn": CLAIM | {"brings": "false"},
    "due": {"lanes": "'{1}'", "behind_us": TEN, "behind_id": TEN},
    "left": {"lanes": "'{1}'", "most": "10000"},
    "settle": {
        "node": NODE, "settle_no": "1", "ended": "'{1}'", "ended_seqs": "'{0}'",
        "going_on": "'{2}'", "going_on_seqs": "'{0}'", "open": "'{\"\"}'", "ids": "'{1}'",
        "ks": "'{1}'", "attempts": "'{1}'", "states": "'{pending}'", "charges": "'{0}'",
        "retries_s": "'{0}'", "suspects": "'{0}'", "results": "'{0}'", "causes": "'{0}'",
        "types": "'{0}'", "messages": "'{0}'", "tracebacks": "'{0}'", "times": "'{}'",
        "n_jobs": "3",
    },
    "reap": {"limit": "10", "lost_budget": "2", "alone_after": "2", "spared": "'{}'"},
    "give_back": {"node": NODE, "lease": "1", "last": "3", "seq": "0"},
    "lease_read": {"node": NODE, "lease": "1", "last": "3", "part_jobs": "250"},
    "lease_trim": {"node": NODE, "lease": "1", "ids": "'{1,2,3}'"},
    "lock_leases": {"node": NODE, "leases": "'{1}'", "seqs": "'{0}'"},
    "lock_jobs": {"ids": "'{1,2,3}'"},
    "pending_jobs": {"ids": "'{1,2,3}'"},
    "node_beat": {"node": NODE},
    "key_stale": {"kind": "''", "key": "''", "limit": "1000"},
    "key_sweep": {"kinds": "'{k}'", "keys": "'{x}'"},
}  # fmt: skip
ROWS = ["1", "0", "'{1,2,3}'", "NULL"]
"""A row of completions, whose parameters are numbered behind the others."""


def plan(store: QueueStore, name: str) -> dict[str, Any]:
    """Return the plan that a prepared statement of a supervisor has by now."""
    params = in_order(name.split()[0], CALLS[name]) + ROWS * (name == "settle")
    execute = f'EXPLAIN (FORMAT JSON) EXECUTE "{name}" ({", ".join(params)})'
    row = store._session.execute(execute.encode()).fetchone()
    assert row is not None
    found = json.loads(row[0]) if isinstance(row[0], str) else row[0]
    top: dict[str, Any] = found[0]["Plan"]
    return top


def prepare(store: QueueStore, name: str) -> None:
    n = len(parameters_of("settle"))
    row = f"(${n + 1}::int4, ${n + 2}::int4, ${n + 3}::int8[], ${n + 4}::text)"
    lock = claims.SKIPPING if name == "claim" else ""
    text = statement(name.split()[0], "actorq")
    text = text.replace("{rows}", row).replace("{lock}", lock)
    store._session.execute(f'PREPARE "{name}" AS {text}'.encode())


def nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a node of a plan and everything below it."""
    yield node
    for child in node.get("Plans", []):
        yield from nodes(child)


def relations(node: dict[str, Any]) -> set[str]:
    """Return the big tables that are read in or below a node."""
    return {n["Relation Name"] for n in nodes(node) if n.get("Relation Name") in TABLES}


def check_plan(top: dict[str, Any]) -> None:
    for node in nodes(top):
        kind = node["Node Type"]
        if node.get("Relation Name") in TABLES - {"lease"}:
            assert kind in ("Index Scan", "Index Only Scan", "Tid Scan", "ModifyTable"), node
        if kind in ("Sort", "Incremental Sort", "Hash", "Materialize"):
            assert "ready" not in relations(node), node
        assert kind not in ("Hash Join", "Merge Join"), node


@pytest.mark.parametrize("name", CALLS)
def test_plans_made_on_empty_tables_look_up_by_index(kit: Kit, name: str) -> None:
    kit.conn.execute("ANALYZE actorq.job, actorq.ready, actorq.lease")
    prepare(kit.store, name)
    check_plan(plan(kit.store, name))


SHARED = sorted(
    path.stem
    for path in SQL.glob("*/*.sql")
    if re.search(r"\.(block_of|open_jobs|leased)\b", path.read_text("utf-8"))
)


@pytest.mark.parametrize("name", SHARED)
def test_what_statements_share_is_part_of_their_plans(kit: Kit, name: str) -> None:
    """A function that is called for each row, or whose rows are kept first, would be dearer."""
    session = kit.store._session
    session.execute("SET plan_cache_mode = force_generic_plan")
    session.execute(f"PREPARE it AS {statement(name, 'actorq')}".encode())
    given = ", ".join(["NULL"] * len(parameters_of(name)))
    execute = f"EXPLAIN (VERBOSE) EXECUTE it{f'({given})' if given else ''}"
    lines = "\n".join(line for (line,) in session.execute(execute.encode()).fetchall())
    assert ">> 7" in lines or "get_bit" in lines
    assert "block_of" not in lines
    assert "open_jobs" not in lines


@pytest.fixture
def filled(kit: Kit) -> Kit:
    """Fill tables whose statistics still say that they are empty."""
    tables = ("job", "ready", "lease", "node", "lane")
    kit.conn.execute(b"ANALYZE " + ", ".join(f"actorq.{t}" for t in tables).encode())
    for table in tables[:3]:
        kit.conn.execute(f"ALTER TABLE actorq.{table} SET (autovacuum_enabled = off)".encode())
    kit.enqueue(BACKLOG)
    return kit


def test_plans_stay_when_the_tables_fill_before_and_after_they_are_analysed(filled: Kit) -> None:
    for analyse in (False, True):
        if analyse:
            filled.conn.execute("ANALYZE actorq.job, actorq.ready")
        store = filled.open()
        for name in CALLS:
            prepare(store, name)
            check_plan(plan(store, name))


def test_many_executions_read_only_what_they_take(filled: Kit) -> None:
    """The first five plans and the later ones, on a backlog that the statistics do not know."""
    kit = filled
    frontier: dict[int, ReadyPosition] = {}
    n_taken = 0
    before = reads(kit)
    for n in range(1, 51):
        claimed = kit.claim(n, 200, frontier=frontier)
        (batch,) = claimed.batches
        frontier = claimed.last
        n_taken += claimed.n_taken
        kit.store.due([DueAsk(kit.lane, frontier)])
        kit.store.settle(n, [done(batch)])
    after = reads(kit)
    assert n_taken == 50 * 200
    for table in ("job", "ready"):
        assert after[table][0] == before[table][0], f"rows of {table} read by sequential scans"
    assert after["job"][1] - before["job"][1] <= 3 * n_taken
    assert after["ready"][1] - before["ready"][1] <= 3 * n_taken


@pytest.mark.parametrize("name", ["due", "cancel_take"])
def test_suspects_are_not_looked_for_among_the_dead(filled: Kit, name: str) -> None:
    somebody = filled.open()._session
    somebody.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    somebody.execute("SELECT FROM actorq.lane")
    filled.conn.execute("DELETE FROM actorq.ready")
    ends = "'{" + ",".join(["9223372036854775"] * 10) + "}'"  # no job is due so late
    due = {"lanes": f"'{{{filled.lane}}}'", "behind_us": ends, "behind_id": ends}
    params = in_order(name, due if name == "due" else {"ids": "'{1}'"})
    prepare(filled.store, name)
    explain = f'EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE "{name}" ({", ".join(params)})'
    (((found,),),) = filled.store._session.execute(explain.encode()).fetchall()
    assert found["Plan"]["Shared Hit Blocks"] + found["Plan"]["Shared Read Blocks"] < 200


def reads(kit: Kit) -> dict[str, tuple[int, int]]:
    """Return per table how many rows were read by sequential scans and by index."""
    kit.store._session.execute("SELECT pg_stat_force_next_flush()")
    kit.store.beat()
    kit.conn.execute("SELECT pg_stat_clear_snapshot()")
    rows = kit.rows(
        "SELECT relname, seq_tup_read, idx_tup_fetch FROM pg_stat_user_tables"
        " WHERE schemaname = 'actorq'"
    )
    return {name: (by_scan, by_index or 0) for name, by_scan, by_index in rows}
