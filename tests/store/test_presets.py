"""Whatever a role or a database presets, a job lives its life as ever."""

from __future__ import annotations

import os
import uuid

import psycopg
import pytest

import actorq
from actorq.core.job.model import Row
from actorq.core.plan.effects import Claim
from actorq.core.store_values import NodeInfo
from actorq.store.queue.queue import QueueStore
from actorq.store.session.connection import connect
from tests.store.kit import ERROR, part

PRESETS = {
    "default_transaction_isolation": "serializable", "search_path": "public",
    "default_transaction_deferrable": "on", "DateStyle": "German", "TimeZone": "Asia/Kathmandu",
    "IntervalStyle": "sql_standard", "synchronous_commit": "off", "plan_cache_mode": "auto",
    "standard_conforming_strings": "off", "bytea_output": "escape", "jit": "on",
    "statement_timeout": "5s", "lock_timeout": "5s", "array_nulls": "off",
    "idle_in_transaction_session_timeout": "5s", "idle_session_timeout": "5s",
}  # fmt: skip


@pytest.mark.parametrize("isolation", ["serializable", "repeatable read"])
@pytest.mark.parametrize("whose", ["DATABASE", "ROLE"])
def test_whatever_is_preset_a_session_is_the_same(dsn: str, whose: str, isolation: str) -> None:
    """And a job lives its life under it: completed with a result, run again, or settled in part."""
    presets = PRESETS | {"default_transaction_isolation": isolation}
    role = f"actorq_preset_{os.getpid()}"
    with psycopg.connect(dsn, autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {role} LOGIN SUPERUSER".encode())
        try:
            name = role if whose == "ROLE" else admin.info.dbname
            for setting, value in presets.items():
                admin.execute(f"ALTER {whose} {name} SET {setting} = '{value}'".encode())
            theirs = psycopg.conninfo.make_conninfo(dsn, user=role)
            _check_settings(theirs, presets)
            _live(theirs)
        finally:
            admin.execute(f"DROP ROLE {role}".encode())


def _check_settings(dsn: str, presets: dict[str, str]) -> None:
    with connect(dsn, name="test") as conn:
        for name, value in presets.items():
            ((shown,),) = conn.execute(f"SHOW {name}".encode()).fetchall()
            assert not shown.startswith(value), name


def _live(dsn: str) -> None:
    node = str(uuid.uuid4())
    store = QueueStore.connect(dsn, node=node)
    with actorq.App(dsn) as app:
        kind = app.kind("k")
        assert kind.enqueue_many([{"n": n} for n in range(9)]) == 9
        store.register(NodeInfo(node, "host", 1))
        lane = store.lanes([("default", "k")])["default", "k"]
        (batch,) = store.claim(Claim(lane, 1, 10)).batches
        rows = [
            Row(batch.ids[0], 0, "completed", result=b"[null]"),
            Row(batch.ids[1], 0, "pending", "failed", retry_in_s=60.0, error=ERROR),
            Row(batch.ids[2], 0, "pending"),
        ]
        assert store.settle(1, [part(batch, rows)]).seqs == {1: 1}
        states = [app.job(id_).state() for id_ in batch.ids]
        assert states == ["completed", "retrying", "ready", *["running"] * 6]
        assert app.job(batch.ids[0]).result() == [None]
    store.close()
