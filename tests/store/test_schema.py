"""The schema by itself: whatever client writes a job, it becomes ready, once, and is guarded."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg import errors

from actorq.store.admin.doctor import strays
from actorq.store.queue.cancel import cancel
from tests.store.kit import Kit, as_node, beside, done, pid

LATER = datetime.now(UTC) + timedelta(hours=1)


def test_an_insert_makes_the_lane_and_the_job_ready(kit: Kit) -> None:
    kit.conn.execute(
        "INSERT INTO actorq.job (queue, kind, priority, key, args)"
        " VALUES ('q', 'new', 2, 'x', '[1, 2]'), ('q', 'new', 3, '', '1')"
    )
    rows = kit.rows(
        "SELECT l.queue, l.kind, r.priority, r.suspect, r.run_at = j.run_at"
        " FROM actorq.ready r JOIN actorq.job j ON j.id = r.id JOIN actorq.lane l ON l.id = r.lane"
        " ORDER BY r.id"
    )
    assert rows == [("q", "new", 2, 0, True), ("q", "new", 3, 0, True)]


def test_one_insert_may_go_into_many_lanes_known_and_new(kit: Kit) -> None:
    kit.conn.execute(
        "INSERT INTO actorq.job (queue, kind, state) VALUES"
        " ('default', 'k', 'pending'), ('new', 'k', 'pending'),"
        " ('new', 'k', 'failed'), ('new', 'l', 'pending')"
    )
    kit.check_places()
    rows = kit.rows(
        "SELECT l.queue, l.kind FROM actorq.queued r JOIN actorq.lane l ON l.id = r.lane"
        " ORDER BY r.id"
    )
    assert rows == [("default", "k"), ("new", "k"), ("new", "l")]


def test_an_insert_of_nothing_is_no_error(kit: Kit) -> None:
    kit.conn.execute("INSERT INTO actorq.job (kind) SELECT 'k' WHERE false")
    assert kit.claim(1).n_taken == 0


def test_a_snapshot_that_cannot_see_the_lane_is_an_error_and_never_a_lost_job(kit: Kit) -> None:
    old = kit.open()._session
    old.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    old.execute("SELECT FROM actorq.lane")
    kit.store.lanes([("new", "k")])
    for values in ("('new', 'k')", "('new', 'k'), ('default', 'k')"):
        old.execute("SAVEPOINT s")
        old.execute(f"INSERT INTO actorq.job (queue, kind) VALUES {values}".encode())
        with pytest.raises(errors.SerializationFailure):
            old.execute("SET CONSTRAINTS ALL IMMEDIATE")
        old.execute("ROLLBACK TO SAVEPOINT s")
    old.execute("INSERT INTO actorq.job (queue, kind) VALUES ('new', 'k')")
    with pytest.raises(errors.SerializationFailure):
        old.execute("COMMIT")
    kit.check_places()
    assert kit.states() == {}


def test_copy_and_insert_from_select_make_jobs_ready(kit: Kit) -> None:
    with (
        kit.conn.cursor() as cursor,
        cursor.copy("COPY actorq.job (kind, args) FROM STDIN") as c,
    ):
        for n in range(100):
            c.write_row(("k", str(n)))
    kit.conn.execute("INSERT INTO actorq.job (kind, args) SELECT kind, args FROM actorq.job")
    assert kit.claim(1).n_taken == 200
    kit.check_places()


def test_a_job_that_is_inserted_final_is_not_ready(kit: Kit) -> None:
    kit.enqueue(1, state="completed")
    assert kit.claim(1).n_taken == 0
    kit.check_places()


def test_a_rolled_back_insert_leaves_nothing(kit: Kit) -> None:
    with kit.conn.transaction(force_rollback=True):
        kit.enqueue(3)
    assert kit.claim(1).n_taken == 0


def test_two_sessions_may_make_the_same_lane_at_once(kit: Kit) -> None:
    insert = "INSERT INTO actorq.job (queue, kind) VALUES ('new', 'k')"
    first, second = kit.open(), kit.open(lock_timeout_s=10)
    first._session.execute("BEGIN")
    first._session.execute(insert)
    first._session.execute("SET CONSTRAINTS ALL IMMEDIATE")
    with beside(kit, first, second, lambda: second._session.execute(insert)) as thread:
        assert kit.one("SELECT %s = ANY (pg_blocking_pids(%s))", pid(first), pid(second))
        first._session.execute("COMMIT")
    thread.result()
    assert kit.one("SELECT count(*) FROM actorq.lane WHERE queue = 'new'") == 1
    kit.check_places()


def test_a_first_enqueue_in_an_open_transaction_is_in_nobodys_way(kit: Kit) -> None:
    """Neither in that of another enqueue, nor of a supervisor, in whatever order lanes come."""
    first, second = kit.open()._session, kit.open()._session
    insert = "INSERT INTO actorq.job (queue, kind) VALUES (%s, %s), (%s, %s)"
    for session, kinds in ((first, "ab"), (second, "ba")):
        session.execute("BEGIN")
        for kind in kinds:
            session.execute(insert, ["new", kind, "default", "k"])
    kit.conn.execute("INSERT INTO actorq.job (queue, kind) VALUES ('new', 'a')")
    lanes = kit.store.lanes([("new", "a"), ("new", "b"), ("new", "c")])
    assert len(lanes) == 3
    kit.conn.execute("INSERT INTO actorq.hunger SELECT id, %s FROM actorq.lane", [kit.node])
    kit.store.listen()
    for session in (first, second):
        session.execute("COMMIT")
        assert kit.store.notifications(5) != []
    found = dict(kit.rows("SELECT lane, count(*) FROM actorq.queued GROUP BY lane"))
    assert found == {lanes["new", "a"]: 3, lanes["new", "b"]: 2, kit.lane: 4}
    kit.check_places()
    assert kit.one("SELECT count(*) FROM actorq.new_lane") == 0


def test_many_jobs_of_new_kinds_in_one_transaction_go_where_they_belong(kit: Kit) -> None:
    with kit.conn.transaction():
        for kind in ("a", "b", "a"):
            kit.conn.execute(
                "INSERT INTO actorq.job (kind, priority)"
                " SELECT CASE WHEN n %% 3 = 0 THEN 'c' ELSE %s END, n %% 2"
                " FROM generate_series(1, 1000) n",
                [kind],
            )
        with kit.conn.transaction(force_rollback=True):
            kit.conn.execute("INSERT INTO actorq.job (kind) VALUES ('never')")
    kit.check_places()
    assert strays(kit.conn) == {}
    assert kit.rows(
        "SELECT l.kind, count(*) FROM actorq.queued q JOIN actorq.lane l ON l.id = q.lane"
        " GROUP BY l.kind ORDER BY l.kind"
    ) == [("a", 1334), ("b", 667), ("c", 999)]
    assert kit.one("SELECT count(*) FROM actorq.ready") < 120, "blocks stay whole"


def test_a_name_that_no_kind_can_have_is_refused_at_once(kit: Kit) -> None:
    with kit.conn.transaction(), pytest.raises(errors.CheckViolation), kit.conn.transaction():
        kit.conn.execute("INSERT INTO actorq.job (kind) VALUES ('no kind')")


@pytest.mark.parametrize(
    "column",
    [
        "priority = 1",
        "queue = 'x'",
        "kind = 'x'",
        "key = 'x'",
        "run_at = now()",
        "id = id + 1",
        "unique_key = 'x'",
    ],
)
def test_what_says_where_a_job_stands_cannot_be_updated(kit: Kit, column: str) -> None:
    kit.enqueue(1)
    kit.conn.execute("SET actorq.own = off")
    with pytest.raises(errors.RestrictViolation, match="cannot be updated"):
        kit.conn.execute(f"UPDATE actorq.job SET {column}".encode())


def test_args_may_be_corrected_while_the_job_waits(kit: Kit) -> None:
    kit.enqueue(1)
    kit.conn.execute("UPDATE actorq.job SET args = '[1]'")
    assert kit.batch(1).args == [b"[1]"]


def test_a_pending_job_cannot_be_deleted_and_a_final_one_can(kit: Kit) -> None:
    kit.enqueue(1)
    with pytest.raises(errors.RestrictViolation, match="is pending and cannot be deleted"):
        kit.conn.execute("DELETE FROM actorq.job")
    kit.store.settle(1, [done(kit.batch(1))])
    kit.conn.execute("DELETE FROM actorq.job")


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("priority", -1), ("priority", 10), ("max_attempts", 0), ("max_attempts", 32768),
        ("key", "x" * 129), ("run_at", "infinity"), ("run_at", "-infinity"),
        ("queue", ""), ("queue", "a b"), ("queue", "x" * 129), ("queue", "é"), ("queue", "a\n"),
        ("tags", ["x"] * 17), ("tags", ["x" * 2000]),
    ],
)  # fmt: skip
def test_values_out_of_range_are_refused(kit: Kit, column: str, value: Any) -> None:
    with pytest.raises(psycopg.DatabaseError):
        kit.enqueue(1, **{column: value})
    assert kit.one("SELECT count(*) FROM actorq.job") == 0


@pytest.mark.parametrize("text", ["", "{", "nan", "[1,]"])
def test_args_that_are_not_json_are_refused(kit: Kit, text: str) -> None:
    with pytest.raises(psycopg.DataError):
        kit.enqueue(1, text)


def test_args_of_more_than_16_mb_are_refused(kit: Kit) -> None:
    with pytest.raises(errors.CheckViolation):
        kit.enqueue(1, '"' + "x" * 2**24 + '"')


def test_every_job_has_one_readable_state(kit: Kit) -> None:
    (scheduled,) = kit.enqueue(1, run_at=LATER)
    (running,) = kit.enqueue(1)
    kit.batch(1)
    (retrying,) = kit.enqueue(1, attempt=1)
    (ready,) = kit.enqueue(1)
    ends = {kit.enqueue(1, state=state)[0]: state for state in ("completed", "failed", "cancelled")}
    assert kit.states() == {
        scheduled: "scheduled", running: "running", retrying: "retrying", ready: "ready", **ends,
    }  # fmt: skip


def test_an_insert_notifies_only_where_somebody_is_hungry(kit: Kit) -> None:
    kit.store.listen()
    kit.enqueue(1)
    assert kit.store.notifications(0) == []
    kit.store.hunger({kit.lane}, set())
    kit.enqueue(5)
    kit.conn.execute("INSERT INTO actorq.job (kind) VALUES ('other')")
    kit.enqueue(1, run_at=LATER)
    assert kit.store.notifications(5) == [f"{kit.lane} {kit.node}"]
    kit.store.hunger(set(), {kit.lane})
    kit.enqueue(1)
    assert kit.store.notifications(0) == []


def test_an_insert_names_two_of_the_hungry_the_same_in_a_transaction(kit: Kit) -> None:
    kit.store.listen()
    fleet = {kit.register() for _ in range(6)}
    for node in fleet:
        as_node(kit.store, node).hunger({kit.lane}, set())
    named = set()
    for _ in range(30):
        with kit.conn.transaction():
            kit.enqueue(1)
            kit.enqueue(1)
        (payload,) = kit.store.notifications(5)
        lane, *nodes = payload.split()
        assert lane == str(kit.lane)
        assert len(set(nodes)) == 2
        named |= set(nodes)
    assert named == fleet


@pytest.mark.parametrize(("in_s", "is_told"), [(0.5, True), (5.0, False)])
def test_what_is_due_within_a_second_is_told_of(kit: Kit, in_s: float, is_told: bool) -> None:
    kit.store.listen()
    kit.store.hunger({kit.lane}, set())
    kit.enqueue(1, run_at=datetime.now(UTC) + timedelta(seconds=in_s))
    kit.conn.execute("SELECT pg_notify('actorq_' || 'actorq'::regnamespace::oid, 'end')")
    told = kit.store.notifications(5)
    told += kit.store.notifications(5) if told[-1] != "end" else []
    assert told == [f"{kit.lane} {kit.node}"] * is_told + ["end"]


def test_an_objects_shadow_in_the_callers_path_is_not_used(kit: Kit) -> None:
    kit.conn.execute("CREATE TEMP TABLE lane (id int, queue text, kind text)")
    kit.conn.execute("CREATE TEMP TABLE ready (id bigint)")
    kit.conn.execute("SET search_path = pg_temp, public")
    kit.enqueue(1)
    kit.conn.execute("RESET search_path")
    kit.check_places()
    assert kit.claim(1).n_taken == 1


def test_who_may_only_insert_can_enqueue(kit: Kit) -> None:
    role = "actorq_test_" + kit.one("SELECT current_database()")[-8:]
    kit.conn.execute(f"CREATE ROLE {role}".encode())
    kit.conn.execute(f"GRANT USAGE ON SCHEMA actorq TO {role}".encode())
    kit.conn.execute(f"GRANT INSERT ON actorq.job TO {role}".encode())
    kit.conn.execute(f"SET ROLE {role}".encode())
    kit.conn.execute("INSERT INTO actorq.job (kind) VALUES ('k')")
    with pytest.raises(errors.InsufficientPrivilege):
        kit.conn.execute("SELECT FROM actorq.ready")
    kit.conn.execute("RESET ROLE")
    assert kit.claim(1).n_taken == 1
    kit.conn.execute(f"DROP OWNED BY {role}".encode())
    kit.conn.execute(f"DROP ROLE {role}".encode())


def test_a_waiting_job_is_cancelled_at_once_wherever_it_waits(kit: Kit) -> None:
    plain, scheduled, suspect = kit.enqueue(1) + kit.enqueue(1, run_at=LATER) + kit.enqueue(1)
    kit.conn.execute("UPDATE actorq.ready SET suspect = -3 WHERE id = %s", [suspect])
    (final,) = kit.enqueue(1, state="failed")
    found = cancel(kit.conn, [suspect, plain, scheduled, final, 999, plain])
    assert found.cancelled == [plain, scheduled, suspect]
    assert (found.requested, found.busy, found.untouched) == ([], [], [final, 999])
    kit.check_places()


def test_cancelling_a_running_job_tells_its_node_and_it_ends_when_given_back(kit: Kit) -> None:
    kit.store.listen()
    ids = kit.enqueue(2)
    kit.batch(3)
    assert cancel(kit.conn, ids[1:]).requested == ids[1:]
    assert kit.store.notifications(5) == [f"cancel {kit.node} 3 {ids[1]}"]
    assert kit.store.give_back(3, seq=0)
    kit.check_places()
    assert [kit.states()[job] for job in ids] == ["ready", "cancelled"]


def test_a_cancel_gives_up_on_a_job_that_stays_locked(kit: Kit) -> None:
    ids = kit.enqueue(2)
    kit.conn.execute("BEGIN")
    kit.conn.execute("SELECT FROM actorq.job WHERE id = %s FOR UPDATE", [ids[0]])
    found = cancel(kit.open(lock_timeout_s=0.05)._session, ids)
    kit.conn.execute("COMMIT")
    assert (found.cancelled, found.busy) == (ids[1:], ids[:1])
