"""Upgrades: steps of their own, locks as declared, and nobody who queues behind a migration."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager

import psycopg
import pytest

from actorq.errors import ConfigError, SchemaMismatch, StoreError
from actorq.store.queue.queue import QueueStore
from actorq.store.schema import migrate as module
from actorq.store.schema import numbered
from actorq.store.schema.migrate import migrate, plan, restore_names
from actorq.store.schema.numbered import MigrationStep, parsed
from actorq.store.session.faults import LockTimeout
from actorq.store.session.statements import quoted
from tests.store.kit import NOBODY, Kit, done
from tests.support.migrations import CATALOG, CONTRACT, FUNCTION, INDEX, JOB_COLUMN, NOTES
from tests.support.migrations import also_known as known
from tests.support.pooler import pooled
from tests.support.wait import wait_until

WEAK = {"AccessShareLock", "RowShareLock", "RowExclusiveLock"}
"""What reading and writing rows takes: only who changes tables waits for it."""

HELD = """
    SELECT c.relname || ' in ' || l.mode FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
    WHERE l.pid = %s AND l.granted AND c.relkind = 'r' AND c.relnamespace = 'actorq'::regnamespace
"""
NOTED = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('actorq.job_note')"


@pytest.fixture(autouse=True)
def brief_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSE_S", 0.1)


@contextmanager
def held(dsn: str, sql: str) -> Iterator[psycopg.Connection]:
    """Hold what a statement takes, in the transaction of somebody who has gone for lunch."""
    with psycopg.connect(dsn, application_name="lunch") as conn:
        conn.execute(sql.encode())
        yield conn


@contextmanager
def migrating(dsn: str, told: list[str]) -> Iterator[list[list[str]]]:
    """Migrate beside the test, and wait for its end after it."""
    applied: list[list[str]] = []
    thread = threading.Thread(target=lambda: applied.append(migrate(dsn, tell=told.append)))
    thread.start()
    try:
        yield applied
    finally:
        thread.join(60)


def shown(mode: str) -> str:
    """Return a mode as the server names it."""
    return "".join(word.capitalize() for word in mode.split()) + "Lock"


def check_locks(conn: psycopg.Connection, steps: Iterable[MigrationStep]) -> None:
    """Run steps, and assert that each has declared what others must wait for."""
    before = {name for (name,) in conn.execute("SELECT relname FROM pg_class")}
    for step in steps:
        # In a transaction an index takes more, that nobody may write meanwhile.
        if not step.is_alone:
            conn.execute(step.text.replace("{schema}", quoted("actorq")).encode())
            taken = {lock for (lock,) in conn.execute(HELD, [conn.info.backend_pid])}
            strong = {lock for lock in taken if lock.split()[-1] not in WEAK}
            strong = {lock for lock in strong if lock.split()[0] in before}
            assert strong == {f"{table} in {shown(mode)}" for table, mode in step.locks}


@pytest.mark.parametrize("texts", [{"1": CATALOG}, NOTES, {"1": CONTRACT}])
def test_the_declared_locks_are_those_that_are_taken(dsn: str, texts: dict[str, str]) -> None:
    with psycopg.connect(dsn) as conn:
        for step in parsed("0003_x", texts).steps:
            check_locks(conn, [step])
            conn.rollback()
            conn.execute("ALTER TABLE actorq.job ADD IF NOT EXISTS note text")
            conn.commit()


def test_a_real_migration_declares_the_locks_that_it_takes(empty_dsn: str) -> None:
    """Of all steps in transactions after the first migration: nobody is in there before."""
    first, *others = numbered.migrations()
    assert {lock for step in first.steps for lock in step.locks} == set()
    with psycopg.connect(empty_dsn) as conn:
        conn.execute("CREATE SCHEMA actorq")
        for step in first.steps:
            conn.execute(step.text.replace("{schema}", quoted("actorq")).encode())
        conn.commit()
        for migration in others:
            check_locks(conn, migration.steps)
            conn.commit()


def test_the_plan_shows_steps_and_locks_and_runs_nothing(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert plan(dsn).steps == []
    known(monkeypatch, "0003_notes", **NOTES)
    found = plan(dsn)
    assert found.version == 2
    assert [(step.step, step.in_transaction) for step in found.steps] == [
        ("1_column", True),
        ("2_index", False),
        ("3_function", True),
    ]
    assert [(lock.table, lock.mode) for lock in found.steps[1].locks] == [
        ("job", "SHARE UPDATE EXCLUSIVE")
    ]
    assert found.stops == []
    assert plan(dsn).version == 2


def test_the_plan_of_an_empty_database_is_the_whole_schema(empty_dsn: str) -> None:
    found = plan(empty_dsn)
    assert found.version is None
    assert {step.migration for step in found.steps} == {m.name for m in numbered.migrations()}


def test_a_long_transaction_holds_up_the_migration_and_nobody_else(
    dsn: str, kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever wants the table while the migration waits for it is let through again and again."""
    known(monkeypatch, "0003_notes", **{"1": JOB_COLUMN})
    told: list[str] = []
    kit.conn.execute("SET lock_timeout = '20s'")
    with held(dsn, "SELECT FROM actorq.job") as lunch, migrating(dsn, told) as applied:
        wait_until(lambda: told, what="it to say what it waits for")
        for _ in range(5):
            kit.enqueue(1)  # an error, if the migration waited for as long as the transaction is
        assert applied == []
        pid = lunch.info.backend_pid
        lunch.rollback()
    assert applied == [["0003_notes"]]
    assert (
        f"0003_notes/1 waits for the lock ACCESS EXCLUSIVE on job, held by process {pid} ("
        in (told[0])
    )
    assert "'lunch' of " in told[0]
    assert "idle in transaction, its transaction is " in told[0]


def test_a_migration_that_is_given_up_says_who_was_in_the_way_and_leaves_nothing(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    known(monkeypatch, "0003_notes", **{"1": JOB_COLUMN})
    with (
        held(dsn, "SELECT FROM actorq.job"),
        pytest.raises(LockTimeout, match=r"ACCESS EXCLUSIVE on job, held by .*'lunch'"),
    ):
        migrate(dsn, wait_s=0, tell=list[str]().append)
    assert plan(dsn).version == 2
    assert migrate(dsn) == ["0003_notes"]


def test_an_index_waits_for_old_transactions_and_is_in_nobodys_way(
    dsn: str, kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    known(monkeypatch, "0003_notes", **NOTES)
    kit.conn.execute("ALTER TABLE actorq.job ADD note text")
    kit.conn.execute("INSERT INTO actorq.migration VALUES (3, '0003_notes', 1, 1, now(), NULL)")
    old = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT FROM actorq.kind"
    told: list[str] = []
    with held(dsn, old) as lunch, migrating(dsn, told) as applied:
        wait_until(lambda: told, what="it to say what it waits for")
        assert "0003_notes/2_index waits for the end of older transactions: process" in told[0]
        pid = kit.one(
            "SELECT pid FROM pg_stat_activity WHERE application_name = 'actorq migrate'"
            " AND wait_event_type = 'Lock' AND datname = current_database()"
        )
        locks = {lock for (lock,) in kit.rows(HELD, pid) if lock.split()[-1] not in WEAK}
        assert locks == {"job in ShareUpdateExclusiveLock"}
        assert kit.enqueue(3)
        lunch.rollback()
    assert applied == [["0003_notes"]]
    assert kit.rows(NOTED) == [(True,)]


def test_an_index_that_was_left_half_made_is_made_anew(
    dsn: str, kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    known(monkeypatch, "0003_notes", **NOTES)
    kit.conn.execute("ALTER TABLE actorq.job ADD note text")
    kit.conn.execute("INSERT INTO actorq.migration VALUES (3, '0003_notes', 1, 1, now(), NULL)")
    with held(dsn, "SELECT FROM actorq.job; INSERT INTO actorq.job (kind) VALUES ('k')"):
        kit.conn.execute("SET lock_timeout = '10ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            kit.conn.execute(
                "CREATE INDEX CONCURRENTLY job_note ON actorq.job (note) WHERE note IS NOT NULL"
            )
    assert kit.rows(NOTED) == [(False,)]
    assert migrate(dsn) == ["0003_notes"]
    assert kit.rows(NOTED) == [(True,)]


def test_an_index_whose_record_was_lost_is_kept(
    dsn: str, kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    known(monkeypatch, "0003_notes", **NOTES)
    kit.conn.execute("ALTER TABLE actorq.job ADD note text")
    kit.conn.execute("INSERT INTO actorq.migration VALUES (3, '0003_notes', 1, 1, now(), NULL)")
    kit.conn.execute("CREATE INDEX job_note ON actorq.job (note)")
    made = "SELECT 'actorq.job_note'::regclass::oid"
    before = kit.one(made)
    assert migrate(dsn) == ["0003_notes"]
    assert kit.one(made) == before


def test_a_step_that_fails_leaves_those_before_it_and_is_the_next_one_to_be_run(
    dsn: str, kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = CATALOG + "SELECT 1/0;"
    with monkeypatch.context() as patch:
        known(patch, "0003_notes", **{"1": JOB_COLUMN, "2": bad})
        with pytest.raises(StoreError, match="division by zero"):
            migrate(dsn)
        assert [step.step for step in plan(dsn).steps] == ["2"]
        with pytest.raises(SchemaMismatch, match="too old: version 2, needed 3"):
            QueueStore.connect(dsn, node=NOBODY)
    # The code before has nothing to fear from what is begun.
    QueueStore.connect(dsn, node=NOBODY).close()
    known(monkeypatch, "0003_notes", **{"1": JOB_COLUMN, "2": CATALOG})
    assert migrate(dsn) == ["0003_notes"]
    assert migrate(dsn) == []


def test_a_fresh_schema_is_what_upgrades_make_of_an_old_one(
    empty_dsn: str, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    known(monkeypatch, "0003_notes", **NOTES)
    known(monkeypatch, "0004_time_to_live", **{"1": CONTRACT})
    found = []
    for each in (empty_dsn, dsn):
        migrate(each)
        with psycopg.connect(each) as conn:
            of_all = "SELECT indexdef FROM pg_indexes WHERE schemaname = 'actorq' ORDER BY 1"
            functions = (
                "SELECT proname, prosrc FROM pg_proc WHERE pronamespace = 'actorq'::regnamespace"
                " ORDER BY 1"
            )
            rows = "SELECT n, name, min_code, n_steps, applied_at IS NULL FROM actorq.migration"
            found.append([conn.execute(q.encode()).fetchall() for q in (of_all, functions, rows)])
    assert found[0] == found[1]
    assert found[0][2][2:] == [
        (3, "0003_notes", 1, 3, False),
        (4, "0004_time_to_live", 3, 1, False),
    ]


def two_more(patch: pytest.MonkeyPatch) -> None:
    known(patch, "0003_notes", **{"1": FUNCTION})
    known(patch, "0004_time_to_live", **{"1": CONTRACT})


def test_a_contract_waits_until_older_supervisors_have_left(
    dsn: str, kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = kit.open()
    told: list[str] = []
    with monkeypatch.context() as patch:
        two_more(patch)
        assert [(old.node, old.code) for old in plan(dsn).stops] == [(kit.node, 2)]
        with migrating(dsn, told) as applied:
            wait_until(lambda: told, what="it to say what it waits for")
            assert "0004_time_to_live waits for the end of 1 supervisor of an older" in told[0]
            assert kit.rows("SELECT ttl_s FROM actorq.node") == [(30.0,)]
            patch.undo()  # the code before
            with pytest.raises(SchemaMismatch, match="too new"):
                store.check_version()
            two_more(patch)
            kit.store.leave()
    assert applied == [["0003_notes", "0004_time_to_live"]]
    assert kit.rows("SELECT time_to_live_s FROM actorq.node") == []


def test_a_contract_does_not_wait_for_the_dead_nor_for_code_that_can_go_on(
    dsn: str, kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    kit.conn.execute("UPDATE actorq.node SET beat_at = clock_timestamp() - interval '31 s'")
    two_more(monkeypatch)
    kit.conn.execute("UPDATE actorq.node SET code = 3 WHERE id = %s", [kit.register()])
    assert migrate(dsn, wait_s=0) == ["0003_notes", "0004_time_to_live"]


def test_a_contract_is_given_up_if_older_supervisors_stay(
    dsn: str, kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_more(monkeypatch)
    with pytest.raises(StoreError, match=r"was not run: it would break 1 supervisor .* on host"):
        migrate(dsn, wait_s=0, tell=list[str]().append)
    assert kit.rows("SELECT ttl_s FROM actorq.node") == [(30.0,)]
    kit.store.leave()
    assert migrate(dsn) == ["0004_time_to_live"]


def test_through_a_pooler_a_step_on_its_own_is_refused(
    dsn: str, kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    known(monkeypatch, "0003_notes", **NOTES)
    with (
        pooled(dsn, "transaction", size=1) as theirs,
        pytest.raises(ConfigError, match="0003_notes cannot be run through a connection pooler"),
    ):
        migrate(theirs)
    assert [step.step for step in plan(dsn).steps] == ["2_index", "3_function"]
    assert migrate(dsn) == ["0003_notes"]


def test_a_renamed_schema_gets_its_functions_as_the_last_migration_left_them(
    dsn: str, kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    known(monkeypatch, "0003_notes", **{"1": FUNCTION})
    migrate(dsn)
    text = "SELECT prosrc FROM pg_proc WHERE proname = 'made_lane'"
    before = kit.one(text)
    assert "made_lane.queue" in before
    kit.conn.execute("ALTER SCHEMA actorq RENAME TO moved")
    restore_names(kit.conn, "moved")
    assert kit.one(text) == before.replace('"actorq"', '"moved"')
    monkeypatch.undo()
    with pytest.raises(SchemaMismatch, match="cannot make its functions anew; upgrade actorq"):
        restore_names(kit.conn, "moved")


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda text: text.replace("-- Phase: expand.\n", ""), "no line in its header matches"),
        (lambda text: text.replace("expand", "contract"), "no line in its header matches"),
        (lambda text: text.replace("in a transaction", "now"), "no line in its header matches"),
        (lambda text: text.replace("ACCESS EXCLUSIVE", "BIG"), "its line Locks cannot be read"),
    ],
)
def test_a_header_that_says_too_little_is_an_error(
    edit: Callable[[str], str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        parsed("0003_x", {"1": edit(CATALOG)})


def test_the_steps_of_a_migration_are_of_one_phase() -> None:
    with pytest.raises(ValueError, match="all of its files need the same line Phase"):
        parsed("0003_x", {"1": INDEX, "2": CONTRACT})


def test_jobs_of_every_state_go_on_after_the_first_upgrade(
    empty_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Made by the code before: waiting, scheduled, suspect, leased, and all that are final."""
    first = numbered.migrations()[0]
    with monkeypatch.context() as patch:
        patch.setattr(numbered, "migrations", lambda: (first,))
        assert migrate(empty_dsn) == ["0001_initial"]
    with psycopg.connect(empty_dsn, autocommit=True) as conn:
        conn.execute("SET actorq.own = 'on'")
        conn.execute(
            """
            INSERT INTO actorq.job (kind, run_at, state, finalized_at)
            SELECT 'k', now() + n * interval '1 h', s::actorq.job_state,
                CASE WHEN s <> 'pending' THEN now() END
            FROM unnest(ARRAY['pending', 'pending', 'completed', 'failed', 'cancelled'],
                ARRAY[0, 1, 0, 0, 0]) u (s, n)
            """
        )
        conn.execute("INSERT INTO actorq.settled (node, no) VALUES (gen_random_uuid(), 7)")
        conn.execute("UPDATE actorq.ready SET suspect = 5 WHERE run_at < now() + interval '1 min'")
    assert migrate(empty_dsn) == [m.name for m in numbered.migrations()[1:]]
    with closing(Kit(empty_dsn)) as kit:
        assert kit.batch(1, suspect=5).n == 1
        kit.store.give_back(1)
        batch = kit.batch(2, suspect=5)
        kit.store.settle(1, [done(batch)])
        assert kit.store.fold() == 1
        assert sorted(state for state in kit.states().values()) == [
            "cancelled", "completed", "completed", "failed", "scheduled",
        ]  # fmt: skip
