"""Migrations: once each, whoever else migrates, in any schema, and what is said if they lack."""

from __future__ import annotations

import threading

import psycopg
import pytest

from actorq.core.plan.effects import Claim
from actorq.errors import ConfigError, SchemaMismatch, StoreUnavailable
from actorq.store.queue.queue import QueueStore
from actorq.store.schema import migrate as module
from actorq.store.schema.migrate import check, migrate, sql_text
from actorq.store.schema.numbered import migrations
from actorq.store.session.connection import connect
from actorq.store.session.faults import LockTimeout, remedy
from tests.store.kit import NOBODY, Kit
from tests.support.migrations import CATALOG, also_known
from tests.support.wait import wait_until

NAMES = [migration.name for migration in migrations()]
STRUCTURE = """
    SELECT c.relname, c.relkind::text, c.reloptions, a.attname, a.atttypid::regtype::text,
        a.attnotnull, a.attstorage::text, pg_get_expr(d.adbin, d.adrelid)
    FROM pg_class c
    LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE c.relnamespace = 'actorq'::regnamespace ORDER BY c.relname, a.attnum
"""


def structure(dsn: str) -> list[tuple[object, ...]]:
    with psycopg.connect(dsn) as conn:
        return conn.execute(STRUCTURE).fetchall()


def add_two(monkeypatch: pytest.MonkeyPatch) -> None:
    also_known(monkeypatch, "0003_more", **{"1": CATALOG})


def test_the_first_run_applies_everything_and_the_second_nothing(empty_dsn: str) -> None:
    assert migrate(empty_dsn) == NAMES
    assert migrate(empty_dsn) == []
    with connect(empty_dsn, name="test") as conn:
        check(conn)


def test_the_printed_sql_makes_the_same_schema(empty_dsn: str, dsn: str) -> None:
    with psycopg.connect(empty_dsn, autocommit=True) as conn:
        conn.execute(sql_text().encode())
    assert structure(empty_dsn) == structure(dsn)
    assert migrate(empty_dsn) == []


def test_a_migrated_schema_is_the_same_as_a_fresh_one(
    empty_dsn: str, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_two(monkeypatch)
    assert migrate(empty_dsn) == [*NAMES, "0003_more"]
    assert migrate(dsn) == ["0003_more"]
    assert structure(empty_dsn) == structure(dsn)


def test_an_event_trigger_that_goes_by_its_search_path_is_no_obstacle(empty_dsn: str) -> None:
    with psycopg.connect(empty_dsn, autocommit=True) as conn:
        conn.execute(
            """
            CREATE TABLE public.audit (tag text);
            CREATE FUNCTION public.audited() RETURNS event_trigger LANGUAGE plpgsql AS
            $$ BEGIN INSERT INTO audit VALUES (tg_tag); END $$;
            CREATE EVENT TRIGGER audited ON ddl_command_end EXECUTE FUNCTION public.audited();
            """
        )
        assert migrate(empty_dsn) == NAMES
        assert conn.execute("SELECT FROM audit WHERE tag = 'CREATE TABLE'").rowcount > 5


def test_two_that_migrate_at_once_take_turns(empty_dsn: str) -> None:
    applied: list[list[str]] = []
    threads = [
        threading.Thread(target=lambda: applied.append(migrate(empty_dsn))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(applied) == [[], [], [], NAMES]


def test_a_migration_that_another_one_blocks_gives_up(
    empty_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOCK_TIMEOUT_S", 0.05)
    with connect(empty_dsn, name="test") as conn, conn.transaction():
        module._Migrator(conn, "actorq", 0, print)._lock()
        with pytest.raises(LockTimeout, match="the schema was given up"):
            migrate(empty_dsn, wait_s=0)


def test_a_migration_that_fails_leaves_nothing_behind(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = structure(dsn)
    also_known(monkeypatch, "0003_bad", **{"1": CATALOG + "SELECT 1/0;"})
    with pytest.raises(Exception, match="division by zero"):
        migrate(dsn)
    assert structure(dsn) == before


def connected(dsn: str, schema: str = "actorq") -> QueueStore:
    """Connect as a supervisor does."""
    return QueueStore.connect(dsn, schema, node=NOBODY)


def test_a_missing_schema_is_an_error_that_names_the_command(empty_dsn: str) -> None:
    with pytest.raises(SchemaMismatch, match=r"no actorq schema 'actorq'; run: actorq migrate$"):
        connected(empty_dsn)
    with pytest.raises(SchemaMismatch, match="run: actorq migrate --schema other"):
        connected(empty_dsn, "other")


def test_an_old_schema_is_an_error_that_names_the_command(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_two(monkeypatch)
    with pytest.raises(SchemaMismatch, match="too old: version 2, needed 3; run: actorq migrate"):
        connected(dsn)


def test_a_schema_after_a_contract_is_an_error_and_is_not_touched(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("INSERT INTO actorq.migration VALUES (99, 'x', 98, 0)")
    for call in (migrate, module.plan, connected):
        with pytest.raises(
            SchemaMismatch, match=r"too new: only .* version 98 .* this one knows 2"
        ):
            call(dsn)


def test_a_schema_after_an_expand_is_used_as_it_is(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("INSERT INTO actorq.migration VALUES (99, 'x', 1, 1, now(), now())")
    assert migrate(dsn) == []
    connected(dsn).close()


def test_schemas_live_side_by_side(dsn: str, kit: Kit) -> None:
    migrate(dsn, "other_1")
    store = QueueStore.connect(dsn, "other_1", node=kit.node)
    lane = store.lanes([("default", "k")])["default", "k"]
    kit.conn.execute("INSERT INTO other_1.job (kind) VALUES ('k')")
    assert kit.claim(1).n_taken == 0
    assert store.claim(Claim(lane, 1, 10)).n_taken == 1
    store.listen()
    kit.store.hunger({kit.lane}, set())
    kit.enqueue(1)
    assert store.notifications(0) == []
    store.close()


@pytest.mark.parametrize(
    "name",
    ["public", "pg_x", "information_schema", "", "A", "a b", 'a"b', "1a", "x" * 49, "é", "a\n"],
)
def test_schema_names_that_could_hurt_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="schema name"):
        migrate("host=nowhere", name)


def test_a_database_in_another_encoding_is_refused(server: str) -> None:
    with psycopg.connect(server, autocommit=True) as conn:
        conn.execute("DROP DATABASE IF EXISTS actorq_test_latin1")
        conn.execute(
            "CREATE DATABASE actorq_test_latin1 ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0"
        )
        dsn = psycopg.conninfo.make_conninfo(server, dbname="actorq_test_latin1")
        with pytest.raises(ConfigError, match="encoding LATIN1: actorq needs UTF8"):
            connect(dsn, name="test")
        conn.execute("DROP DATABASE actorq_test_latin1")


def test_an_unreachable_database_is_unavailable_and_says_no_password() -> None:
    with pytest.raises(StoreUnavailable) as caught:
        connect("host=127.0.0.1 port=1 user=u password=hunter2", name="test")
    assert "hunter2" not in str(caught.value)
    with pytest.raises(ConfigError) as refused:
        connect("host=x password='hunter2", name="test")
    assert "hunter2" not in str(refused.value)


def test_a_call_that_gets_no_answer_ends_at_its_deadline(kit: Kit) -> None:
    store = kit.open(deadline_s=0.2, lock_timeout_s=30)
    kit.conn.execute("BEGIN")
    kit.conn.execute("LOCK TABLE actorq.node")
    with pytest.raises(StoreUnavailable, match=r"no answer from the database within 0\.2 s"):
        store.beat()
    assert not store.alive


def test_a_connection_that_is_ended_is_told_from_a_statement_that_is(kit: Kit) -> None:
    store = kit.open()
    kit.rows("SELECT pg_terminate_backend(%s)", store._session.info.backend_pid)
    with pytest.raises(StoreUnavailable) as caught:
        store.beat()
    assert remedy(caught.value) == "reconnect"
    assert not store.alive


def test_a_session_that_the_server_ended_for_doing_nothing_is_a_lost_connection(kit: Kit) -> None:
    store = kit.open()
    pid = store._session.info.backend_pid
    store._session.execute("SET idle_in_transaction_session_timeout = '1ms'; BEGIN")
    wait_until(lambda: not kit.rows("SELECT FROM pg_stat_activity WHERE pid = %s", pid))
    with pytest.raises(StoreUnavailable) as caught:
        store.beat()
    assert remedy(caught.value) == "reconnect"
    assert not store.alive
