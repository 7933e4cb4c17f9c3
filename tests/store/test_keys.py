"""Unique keys of jobs that are final are swept, and never one that somebody counts on."""

from __future__ import annotations

from actorq.store.admin import change
from actorq.store.admin.run import connect_admin
from tests.store.kit import Kit, beside, done
from tests.support.rows import finish


def keyed(kit: Kit, n: int) -> list[int]:
    """Make jobs with the unique keys k0, k1, …"""
    ids = kit.enqueue(n)
    kit.conn.execute("UPDATE actorq.job SET unique_key = 'k' || id - %s", [ids[0]])
    kit.conn.execute("INSERT INTO actorq.unique_key SELECT kind, unique_key, id FROM actorq.job")
    return ids


def keys(kit: Kit) -> list[str]:
    return [key for (key,) in kit.rows("SELECT key FROM actorq.unique_key ORDER BY key")]


def test_keys_of_final_and_of_missing_jobs_go_and_those_of_pending_ones_stay(kit: Kit) -> None:
    ids = keyed(kit, 5)
    finish(kit.conn, ids[:1])
    finish(kit.conn, ids[1:2], "failed")
    kit.conn.execute("UPDATE actorq.unique_key SET job = 10^15 WHERE key = 'k2'")
    assert kit.store.sweep_keys(("", ""), 100) == (None, 3)
    assert keys(kit) == ["k3", "k4"]


def test_all_keys_are_walked_through_in_order(kit: Kit) -> None:
    ids = keyed(kit, 5)
    finish(kit.conn, ids[3:])
    assert kit.store.sweep_keys(("", ""), 2) == (("k", "k1"), 0)
    assert kit.store.sweep_keys(("k", "k1"), 2) == (("k", "k3"), 1)
    assert kit.store.sweep_keys(("k", "k3"), 2) == (None, 1)
    assert kit.store.sweep_keys(("", ""), 2) == (("k", "k1"), 0)


def test_a_key_whose_job_is_running_stays(kit: Kit) -> None:
    keyed(kit, 2)
    batch = kit.batch(1)
    assert kit.store.sweep_keys(("", ""), 9) == (None, 0)
    kit.store.settle(1, [done(batch)])
    assert kit.store.sweep_keys(("", ""), 9) == (None, 2)


def test_a_key_that_a_retry_takes_back_meanwhile_stays(kit: Kit) -> None:
    (job,) = keyed(kit, 1)
    finish(kit.conn, [job], "failed")
    with connect_admin(kit.dsn, "actorq") as admin:
        with admin.transaction():
            change.retry(admin, [job])
            assert kit.store.sweep_keys(("", ""), 9) == (None, 0), "somebody is using it"
        assert kit.store.sweep_keys(("", ""), 9) == (None, 0)
    assert keys(kit) == ["k0"]


def test_a_retry_waits_for_a_sweep_and_makes_the_key_anew(kit: Kit) -> None:
    (job,) = keyed(kit, 1)
    finish(kit.conn, [job], "failed")
    sweeper, retrier = kit.open(), kit.open(lock_timeout_s=10)
    sweeper._session.execute("BEGIN")
    assert sweeper.sweep_keys(("", ""), 9) == (None, 1)
    retry = change.retry
    with beside(kit, sweeper, retrier, lambda: retry(retrier._session, [job])) as thread:
        sweeper._session.execute("COMMIT")
    assert thread.result().taken == [job]
    assert keys(kit) == ["k0"]
