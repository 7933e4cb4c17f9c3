"""Status counts what waits, runs and has died, by lane, and who is there to work on it."""

from __future__ import annotations

import pytest

from actorq.store.admin import jobs, status
from actorq.store.session.connection import Session
from tests.store.kit import pruned
from tests.support.rows import claim, finish, insert, register


def one_lane(conn: Session) -> status.LaneStatus:
    (lane,) = status.status(conn).lanes
    return lane


def test_an_empty_database_has_no_lanes_and_no_supervisors(conn: Session) -> None:
    assert status.status(conn) == status.Status([], [], 0)


def test_status_counts_every_pending_job_in_exactly_one_place(conn: Session) -> None:
    due = insert(conn, 4)
    later = insert(conn, 2, run_at="2999-01-01T00:00:00Z")
    claim(conn, due[:2])
    conn.execute("UPDATE actorq.ready SET suspect = 7 WHERE id = %s", [due[2]])
    finish(conn, insert(conn, 3), "failed")
    finish(conn, insert(conn))
    lane = one_lane(conn)
    assert (lane.n_due, lane.n_scheduled, lane.n_suspect, lane.n_running) == (1, 2, 1, 2)
    assert lane.n_pending == len(due) + len(later)
    assert (lane.n_batches, lane.n_dead) == (1, 3)
    assert lane.oldest_due_s is not None
    assert lane.next_in_s is not None
    assert lane.next_in_s > 86_400


def test_retrying_jobs_are_counted_without_a_look_at_them(conn: Session) -> None:
    insert(conn, 3)
    insert(conn, 2, attempt=1)
    insert(conn, 1, attempt=1)
    assert one_lane(conn).n_retrying == 3


def test_status_counts_dead_jobs_and_not_their_failures(conn: Session) -> None:
    ids = insert(conn, 3)
    finish(conn, ids, "failed")
    finish(conn, ids[:1], "failed")
    conn.execute("UPDATE actorq.job SET state = 'completed' WHERE id = %s", [ids[2]])
    assert one_lane(conn).n_dead == 2
    assert jobs.job_ids(conn, state="failed") == ids[1::-1]


def test_large_tables_are_estimated_and_small_lanes_still_counted(
    conn: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        insert(conn, 2000, args='"' + "x" * 2000 + '"')
    finish(conn, insert(conn, 3000), "failed")
    few = insert(conn, 3, kind="few")
    finish(conn, few[:1], "failed")
    exact = status.status(conn)
    assert not exact.stored_estimated
    assert exact.n_stored == 9003
    monkeypatch.setattr(status, "EXACT_PAGES", 20)
    monkeypatch.setattr(status, "SAMPLE_PAGES", 20)
    monkeypatch.setattr(status, "EXACT_STORED", 20)
    monkeypatch.setattr(status, "EXACT_DEAD", 20)
    monkeypatch.setattr(status, "SAMPLE_DEAD", 20)
    found = status.status(conn)
    many = {lane.kind: lane for lane in found.lanes}
    assert found.stored_estimated
    assert many["embed"].dead_estimated
    assert (many["few"].n_due, many["few"].n_dead) == (2, 1)
    assert not many["few"].dead_estimated


def test_what_is_counted_on_a_share_of_the_pages_is_scaled() -> None:
    assert status.percent(1_000) == 100
    assert status.percent(1_000, 250, 150) == 15
    share = status.percent(100_000)
    assert status.scaled(3_000, share) == 1_000_000
    assert status.scaled(None, share) == 0


@pytest.mark.parametrize("analysed", [False, True])
def test_status_never_tells_what_was_stored_before_a_prune(conn: Session, analysed: bool) -> None:
    finish(conn, insert(conn, 5000))
    if analysed:
        conn.execute("ANALYZE actorq.job")
    assert status.status(conn).n_stored == 5000
    assert pruned(conn) == 5000
    assert status.status(conn).n_stored == 0


def test_jobs_settled_out_of_a_lease_are_not_running(conn: Session) -> None:
    ids = insert(conn, 10)
    claim(conn, ids)
    finish(conn, [ids[0], ids[9]])
    conn.execute("UPDATE actorq.lease SET open = '\\xfe01'")
    assert one_lane(conn).n_running == 8
    assert jobs.job_ids(conn, state="running") == ids[8:0:-1]


def test_nodes_are_alive_for_their_time_to_live(conn: Session) -> None:
    register(conn)
    claim(conn, insert(conn, 5))
    (node,) = status.status(conn).nodes
    assert (node.host, node.n_batches, node.n_running, node.alive) == ("here", 1, 5, True)
    conn.execute("UPDATE actorq.node SET beat_at = beat_at - interval '31 s'")
    assert not status.status(conn).nodes[0].alive
