"""Doctor finds what is wrong, and repair puts every pending job into exactly one place."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from msgspec.structs import replace

import actorq
from actorq.core.job.model import Row
from actorq.store.admin import checks as admin_checks
from actorq.store.admin import doctor, jobs, ranges
from actorq.store.admin.checks import Check
from actorq.store.admin.doctor import diagnose, repair, strays
from actorq.store.admin.progress import Progress
from actorq.store.admin.rows import ServerFacts, TableRows
from actorq.store.admin.run import connect_admin
from actorq.store.session.connection import Session
from actorq.store.session.faults import OnHold
from tests.store.kit import ERROR, Kit, blocked, part
from tests.support.rows import NODE, claim, finish, insert, ready_ids, register
from tests.support.wait import wait_until

FACTS = ServerFacts(
    version=180_000,
    version_text="18.0",
    encoding="UTF8",
    autovacuum=True,
    durable=True,
    oldest_snapshot_s=None,
    oldest_prepared_s=None,
    oldest_xid_age=0,
    triggers_off=None,
    n_triggers=admin_checks.N_TRIGGERS,
)


def found(conn: Session, name: str) -> Check:
    return next(check for check in diagnose(conn) if check.name == name)


def test_a_healthy_database_has_nothing_bad(conn: Session) -> None:
    register(conn)
    ids = insert(conn, 20)
    claim(conn, ids[:10])
    finish(conn, insert(conn, 3), "failed")
    checks = diagnose(conn)
    assert [check for check in checks if check.level == "bad"] == []
    assert len(checks) == 19


@pytest.mark.parametrize(("age", "level"), [(199_999_999, "ok"), (1_500_000_000, "bad")])
def test_rows_that_are_never_frozen_are_noticed(age: int, level: str) -> None:
    check = admin_checks.check_wraparound(replace(FACTS, oldest_xid_age=age))
    assert (check.level, f"{age:,}" in check.text) == (level, True)


def lose(conn: Session, job: int) -> None:
    conn.execute("DELETE FROM actorq.ready WHERE id = %s", [job])


def bypass_the_trigger(conn: Session, job: int) -> None:
    lose(conn, job)
    conn.execute("DELETE FROM actorq.lane WHERE kind = 'embed'")


def put_both(conn: Session, job: int) -> None:
    conn.execute(
        "INSERT INTO actorq.lease (node, n, lane, suspect, jobs) "
        "SELECT %s, 1, lane, 0, array[id] FROM actorq.ready WHERE id = %s",
        [NODE, job],
    )


def double(conn: Session, job: int) -> None:
    conn.execute(
        "INSERT INTO actorq.ready SELECT id, run_at, lane, 5, priority "
        "FROM actorq.ready WHERE id = %s",
        [job],
    )


def end(conn: Session, job: int) -> None:
    conn.execute("UPDATE actorq.job SET state = 'completed' WHERE id = %s", [job])


def misplace(conn: Session, job: int) -> None:
    conn.execute("UPDATE actorq.job SET priority = 1 WHERE id = %s", [job])


@pytest.mark.parametrize(
    ("harm", "what", "left"),
    [
        (lose, "lost", 1),
        (bypass_the_trigger, "lost", 1),
        (put_both, "both", 0),
        (double, "twice", 1),
        (end, "stale", 0),
        (misplace, "misplaced", 1),
    ],
)
def test_strays_are_found_and_mended(
    conn: Session, harm: Callable[[Session, int], None], what: str, left: int
) -> None:
    job, healthy = insert(conn)[0], insert(conn, kind="other")[0]
    harm(conn, job)
    assert strays(conn) == {job: what}
    assert found(conn, "membership").level == "bad"
    repair(conn)
    assert strays(conn) == {}
    assert sorted(ready_ids(conn)) == sorted([job] * left + [healthy])


def test_repair_restores_the_place_that_the_trigger_would_have_chosen(conn: Session) -> None:
    insert(conn, 5, priority=3, run_at="2999-01-01T00:00:00Z", args='{"a": 1}', key="k")
    placed = conn.execute("SELECT * FROM actorq.ready ORDER BY id").fetchall()
    conn.execute("DELETE FROM actorq.ready")
    assert repair(conn) == doctor.Repaired(n_removed=0, n_added=5)
    assert conn.execute("SELECT * FROM actorq.ready ORDER BY id").fetchall() == placed


def test_repair_keeps_a_suspect_in_its_group(conn: Session) -> None:
    (job,) = insert(conn)
    conn.execute("UPDATE actorq.ready SET suspect = 5")
    assert strays(conn) == {}
    repair(conn)
    assert conn.execute("SELECT id, suspect FROM actorq.ready").fetchall() == [(job, 5)]


def test_rows_loaded_past_the_triggers_are_repaired(conn: Session) -> None:
    with conn.transaction():
        conn.execute("SET LOCAL session_replication_role = replica")
        ids = insert(conn, 1500, kind="loaded")
    assert ready_ids(conn) == []
    assert repair(conn).n_added == 1500
    assert ready_ids(conn) == ids


def test_more_strays_than_are_read_at_once_are_all_mended(
    conn: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "MAX_FOUND", 10)
    insert(conn, 25)
    conn.execute("DELETE FROM actorq.ready")
    assert repair(conn) == doctor.Repaired(0, 25)


def test_all_is_found_however_small_the_ranges_are(
    conn: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    conn.execute("ALTER SEQUENCE actorq.job_id_seq RESTART 1020")
    ids = insert(conn, 30)
    conn.execute("DELETE FROM actorq.ready WHERE 1020 = ANY (jobs)")  # 1024 begins another block
    claim(conn, ids[10:12])
    conn.execute("DELETE FROM actorq.lease")
    conn.execute("INSERT INTO actorq.ready (id, run_at, lane, priority) VALUES (5, now(), 1, 5)")
    whole = strays(conn)
    assert whole == {5: "stale", **dict.fromkeys([*ids[:4], *ids[10:12]], "lost")}
    heard: list[Progress] = []
    monkeypatch.setattr(ranges, "RANGE", 7)
    assert strays(conn, told=heard.append) == whole
    assert len(heard) == 6


def unfit(conn: Session) -> dict[int, str]:
    """Make a job of each sort whose failures or results do not fit it."""
    ids = insert(conn, 6)
    marked, elsewhere, unmarked, silent, fine, gone = ids
    finish(conn, [elsewhere, unmarked, fine, gone], "failed")
    conn.execute("UPDATE actorq.failure SET final = false WHERE job = %s", [unmarked])
    finish(conn, [marked], "failed")
    conn.execute("UPDATE actorq.job SET state = 'completed' WHERE id = %s", [marked])
    conn.execute("UPDATE actorq.failure SET lane = 77 WHERE job = %s", [elsewhere])
    conn.execute("DELETE FROM actorq.ready")
    conn.execute("UPDATE actorq.job SET state = 'failed' WHERE id = %s", [silent])
    conn.execute("INSERT INTO actorq.result SELECT id, '1' FROM actorq.job WHERE id = %s", [gone])
    with conn.transaction():
        conn.execute("SET LOCAL session_replication_role = replica")
        conn.execute("DELETE FROM actorq.job WHERE id = %s", [gone])
    return {
        marked: "marked", elsewhere: "elsewhere", unmarked: "unmarked", silent: "unmarked",
        gone: "orphan",
    }  # fmt: skip


def test_failures_and_results_that_do_not_fit_are_found_and_mended(conn: Session) -> None:
    wrong = unfit(conn)
    assert ranges.unmatched(conn) == wrong
    check = found(conn, "belongings")
    assert check.level == "warn"
    assert "results or failures of no job" in check.text
    assert repair(conn) == doctor.Repaired(0, 0, n_matched=len(wrong))
    assert found(conn, "belongings").level == "ok"
    dead = sorted(jobs.job_ids(conn, state="failed"))
    failed = conn.execute("SELECT id FROM actorq.job WHERE state = 'failed' ORDER BY id")
    assert dead == [row[0] for row in failed]
    assert conn.execute("SELECT count(*) FROM actorq.result").fetchone() == (0,)


def test_foreign_keys_to_jobs_are_named(conn: Session) -> None:
    conn.execute("CREATE TABLE public.note (job bigint REFERENCES actorq.job ON DELETE CASCADE)")
    check = found(conn, "references")
    assert (check.level, "note_job_fkey of public.note" in check.text) == ("warn", True)
    assert "prune keeps" not in check.text
    conn.execute("CREATE TABLE public.photo (job bigint REFERENCES actorq.job)")
    assert "prune keeps" in found(conn, "references").text


def test_a_lane_with_many_due_jobs_that_nobody_serves_is_not_counted_to_its_end(
    conn: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "UNSERVED_ROWS", 2)
    for n in range(4):
        insert(conn, 1, run_at=f"2020-01-0{n + 1}T00:00:00Z", priority=n)
    assert "at least 3 jobs due" in found(conn, "service").text


def test_findings_come_one_after_another_and_those_of_all_jobs_last(conn: Session) -> None:
    findings = doctor.examine(conn)
    assert next(findings).name == "server"
    assert [check.name for check in findings][-2:] == ["membership", "belongings"]


def test_a_claim_that_commits_during_a_repair_keeps_its_job(conn: Session, dsn: str) -> None:
    """The repair waits for the claim, then sees its lease, and does not make the job ready."""
    (job,) = insert(conn)
    misplace(conn, job)
    done: list[Any] = []

    def mend() -> None:
        with connect_admin(dsn, "actorq") as other:
            done.append(repair(other))

    with conn.transaction():
        claim(conn, [job])
        thread = threading.Thread(target=mend)
        thread.start()
        with psycopg.connect(dsn, autocommit=True) as watch:
            wait_until(lambda: blocked(watch), what="the repair to wait for the claim")
    thread.join()
    assert done == [doctor.Repaired(0, 0)]
    assert ready_ids(conn) == []
    assert strays(conn) == {}


def test_a_job_settled_out_of_its_lease_is_no_stray(conn: Session) -> None:
    ids = insert(conn, 2)
    claim(conn, ids)
    conn.execute("UPDATE actorq.lease SET open = '\\x02'")
    assert strays(conn) == {ids[0]: "lost"}
    finish(conn, ids[:1])
    assert strays(conn) == {}


def test_a_sequence_behind_the_jobs_is_found_and_moved(conn: Session) -> None:
    conn.execute("INSERT INTO actorq.job (id, kind) VALUES (1000, 'embed')")
    assert found(conn, "ids").level == "bad"
    repair(conn)
    assert found(conn, "ids").level == "ok"
    assert insert(conn) == [1001]


def test_every_sequence_is_looked_after_and_what_it_stops_is_told(kit: Kit) -> None:
    """As after logical replication, which brings rows and no sequences."""
    kit.enqueue(2)
    batch = kit.batch(1)
    failed = [Row(job, 0, "failed", "failed", error=ERROR) for job in batch.ids]
    kit.store.settle(1, [part(batch, failed[:1])])
    for table in ("job", "lane", "failure"):
        kit.conn.execute(f"ALTER TABLE actorq.{table} ALTER id RESTART WITH 1".encode())
    with connect_admin(kit.dsn, "actorq") as conn:
        assert "of failure, job, lane" in found(conn, "ids").text
    rest = part(batch, failed[1:])
    rest.seq = 1
    for call in (
        lambda: kit.store.settle(3, [rest]),
        lambda: kit.store.lanes([("default", "new")]),
    ):
        with pytest.raises(OnHold, match=r"_pkey.* actorq doctor --repair"):
            call()
    with actorq.App(kit.dsn) as app, pytest.raises(OnHold, match="actorq doctor --repair"):
        app.kind("k").enqueue(1)
    with connect_admin(kit.dsn, "actorq") as conn:
        repair(conn)
        assert found(conn, "ids").level == "ok"
    assert kit.store.settle(3, [rest]).leases == {1}
    assert len(kit.store.lanes([("default", "new"), ("default", "k")])) == 2
    with actorq.App(kit.dsn) as app:
        assert app.kind("newer").enqueue(1).state() == "ready"


def test_a_disabled_or_missing_trigger_is_bad(conn: Session) -> None:
    conn.execute("ALTER TABLE actorq.job DISABLE TRIGGER job_inserted")
    assert found(conn, "triggers").level == "bad"
    assert "job_inserted" in found(conn, "triggers").text
    conn.execute("DROP TRIGGER job_inserted ON actorq.job")
    assert "missing" in found(conn, "triggers").text


def test_an_open_transaction_is_told_by_its_age(
    conn: Session, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admin_checks, "LONG_SNAPSHOT_S", 0.0)
    with psycopg.connect(dsn) as old:
        old.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        old.execute("SELECT 1")
        assert found(conn, "transactions").level == "warn"


def test_dead_supervisors_orphaned_leases_and_unserved_kinds_are_warned_of(
    conn: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(conn, age_s=1000)
    ids = insert(conn, 3, run_at="2020-01-01T00:00:00Z")
    assert found(conn, "supervisors").level == "warn"
    assert "kind embed in queue default: 3 jobs due" in found(conn, "service").text
    claim(conn, ids[:1])
    assert found(conn, "service").level == "ok"
    conn.execute("DELETE FROM actorq.node")
    assert found(conn, "leases").level == "warn"
    assert found(conn, "service").level == "warn"


@pytest.mark.parametrize(
    ("check", "level"),
    [
        (admin_checks.check_version(replace(FACTS, version=140_011, version_text="14.11")), "bad"),
        (admin_checks.check_encoding(replace(FACTS, encoding="SQL_ASCII")), "bad"),
        (admin_checks.check_durable(replace(FACTS, durable=False)), "warn"),
        (admin_checks.check_autovacuum(replace(FACTS, autovacuum=False)), "bad"),
        (admin_checks.check_connection("transaction"), "bad"),
        (admin_checks.check_connection("session"), "ok"),
        (admin_checks.check_transport("db.example", "prefer"), "warn"),
        (admin_checks.check_transport("db.example", "verify-full"), "ok"),
        (admin_checks.check_transport("/run/postgresql", "prefer"), "ok"),
        (
            admin_checks.check_tables([TableRows("ready", n_live=10, n_dead=200_000, bytes=8192)]),
            "warn",
        ),
    ],
)
def test_facts_of_the_surroundings_are_judged(check: Check, level: str) -> None:
    assert check.level == level
    assert admin_checks.worst([check]) == level
