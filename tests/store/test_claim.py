"""The claim: what it takes, in which order, and what it says about it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import msgspec
import pytest

from actorq.core.job.model import Counts, Row
from actorq.core.lanes.claim_turns import LockMode, Turns
from actorq.core.plan.effects import Claim
from actorq.core.store_values import DueAsk
from actorq.errors import RowRefused
from actorq.store.queue import claims
from actorq.store.session.calls import Calls
from actorq.store.session.faults import BrokenLease, LockTimeout
from tests.store.kit import ERROR, Kit, beside, done, part
from tests.support.rows import singly

PLANNER = ["hashjoin", "mergejoin", "indexscan", "tidscan", "hashagg", "sort", "material"]


def test_jobs_come_by_priority_then_time_then_id(kit: Kit) -> None:
    late = kit.enqueue(2)
    early = kit.enqueue(1, run_at=datetime(2020, 1, 1, tzinfo=UTC))
    first = kit.enqueue(1, priority=0)
    last = kit.enqueue(1, priority=9, run_at=datetime(2019, 1, 1, tzinfo=UTC))
    assert kit.batch(1).ids == first + early + late + last


def test_args_are_one_array_in_the_order_of_the_ids(kit: Kit) -> None:
    for text in ['{"a": "é,[]"}', "1e400", '"]"', '{"a":1,"a":2}']:
        kit.enqueue(1, text)
    batch = kit.batch(1)
    args = b",".join(batch.args)
    assert args == '{"a": "é,[]"},1e400,"]",{"a":1,"a":2}'.encode()
    assert args[batch.lens[0] + 1 :][: batch.lens[1]] == b"1e400"


def temp_bytes(kit: Kit) -> int:
    """Return what went into temporary files, with all that the kit's connections still count."""
    for execute in (kit.store._session.execute, kit.conn.execute):
        execute("SELECT pg_stat_force_next_flush()")
    written = "SELECT temp_bytes FROM pg_stat_database WHERE datname = current_database()"
    return int(kit.one(written))


def test_a_batch_as_large_as_one_may_be_makes_no_file(kit: Kit) -> None:
    n = 256
    kit.enqueue(n, f'"{"x" * (2**24 // n - 3)}"')
    before = temp_bytes(kit)
    assert before > 2**24, "the insert keeps its rows for a trigger, and this counts"
    assert kit.batch(1).n == n
    assert temp_bytes(kit) == before


@pytest.mark.parametrize("gone", [False, True])
def test_args_and_counters_come_in_the_order_of_the_claim(kit: Kit, gone: bool) -> None:
    late, early, first, second = [
        kit.enqueue(1, args, priority=priority)[0]
        for args, priority in (('"é"', 9), ("[1,2]", 5), ('{"a":1}', 0), ("3", 0))
    ]
    kit.conn.execute("UPDATE actorq.job SET n_lost = 2, attempt = 2 WHERE id = %s", [early])
    if gone:
        kit.conn.execute("UPDATE actorq.job SET state = 'cancelled' WHERE id = %s", [second])
    claimed = kit.claim(1)
    (batch,) = claimed.batches
    assert claimed.n_taken == 4
    assert batch.ids == [first, *([] if gone else [second]), early, late]
    assert b",".join(batch.args) == ('{"a":1},' + ("" if gone else "3,") + '[1,2],"é"').encode()
    assert batch.lens == [7, *([] if gone else [1]), 5, 4]
    assert batch.notes == {batch.ids.index(early): Counts(attempt=2, n_lost=2)}
    assert kit.one("SELECT jobs FROM actorq.lease") == batch.ids


@pytest.mark.parametrize("size", [1, 2, 4, 7])
def test_a_batch_is_the_same_in_however_many_rows_it_comes(
    kit: Kit, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(claims, "PART_JOBS", size)
    ids = [kit.enqueue(1, f"{k}", priority=p)[0] for k, p in enumerate([3, 1, 2, 0, 3, 1, 2])]
    order = [3, 1, 5, 2, 6, 0, 4]
    kit.conn.execute("UPDATE actorq.job SET attempt = 1 WHERE id = ANY (%s)", [ids[1::3]])
    batch = kit.batch(1)
    assert batch.ids == [ids[k] for k in order]
    assert b",".join(batch.args) == ",".join(map(str, order)).encode()
    assert batch.lens == [1] * 7
    assert batch.notes == {1: Counts(attempt=1), 6: Counts(attempt=1)}
    assert kit.store.read(1) == [batch]
    assert kit.store.open_jobs(1) == batch.ids


def test_a_claim_of_jobs_that_are_all_final_leaves_no_lease(kit: Kit) -> None:
    kit.enqueue(3)
    kit.conn.execute("UPDATE actorq.job SET state = 'cancelled'")
    claimed = kit.claim(1)
    assert (claimed.batches, claimed.n_taken) == ([], 3)
    assert kit.one("SELECT count(*) FROM actorq.lease") == 0
    kit.check_places()


@pytest.mark.parametrize("all_", [False, True])
def test_a_lease_that_is_gone_before_its_jobs_are_known_is_noticed(
    kit: Kit, monkeypatch: pytest.MonkeyPatch, all_: bool
) -> None:
    ids = kit.enqueue(2)
    final = "UPDATE actorq.job SET state = 'cancelled' WHERE id = ANY (%s)"
    kit.conn.execute(final, [ids if all_ else ids[:1]])
    direct = Calls.direct

    def then_lost(*call: Any) -> Any:
        rows = direct(*call)
        kit.conn.execute("DELETE FROM actorq.lease")
        return rows

    monkeypatch.setattr(Calls, "direct", then_lost)
    with pytest.raises(BrokenLease, match="gone by now"):
        kit.claim(1)


def test_a_claim_that_somebody_keeps_from_mending_its_lease_goes_back(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = kit.enqueue(100)
    kit.conn.execute("UPDATE actorq.job SET state = 'cancelled' WHERE id = %s", ids[:1])
    monkeypatch.setattr(Turns, "way", lambda *_: "alone")
    row = Calls.row

    def locked(calls: Calls, name: str, **params: str) -> Any:
        if name == "lease_trim":
            raise LockTimeout("somebody holds it")
        return row(calls, name, **params)

    monkeypatch.setattr(Calls, "row", locked)
    with pytest.raises(BrokenLease, match="somebody holds it"):
        kit.claim(1)
    assert kit.store.give_back(1)
    kit.check_places()
    assert kit.batch(2).ids == ids[1:]


@pytest.mark.parametrize("way", ["each", "alone"])
def test_jobs_that_are_gone_are_left_out_of_every_row(
    kit: Kit, monkeypatch: pytest.MonkeyPatch, way: LockMode
) -> None:
    monkeypatch.setattr(claims, "PART_JOBS", 2)
    monkeypatch.setattr(Turns, "way", lambda *_: way)
    ids = [kit.enqueue(1, f"{k}")[0] for k in range(8)]
    kit.conn.execute("UPDATE actorq.job SET attempt = 1 WHERE id = ANY (%s)", [ids[3:7:3]])
    gone = [ids[0], ids[1], ids[2], ids[5], ids[7]]
    kit.conn.execute("UPDATE actorq.job SET state = 'cancelled' WHERE id = ANY (%s)", [gone])
    claimed = kit.claim(1)
    (batch,) = claimed.batches
    assert (claimed.n_taken, batch.ids) == (8, [ids[3], ids[4], ids[6]])
    assert (b",".join(batch.args), batch.lens) == (b"3,4,6", [1, 1, 1])
    assert batch.notes == {0: Counts(attempt=1), 2: Counts(attempt=1)}
    (adopted,) = kit.store.read(1)
    assert (adopted.ids, adopted.notes) == (batch.ids, batch.notes)
    assert kit.store.settle(1, [done(batch)]).leases == {1}
    kit.check_places()


def test_a_claim_that_takes_a_job_twice_goes_back(kit: Kit) -> None:
    (job,) = kit.enqueue(1)
    kit.conn.execute(
        "INSERT INTO actorq.ready SELECT id, run_at - interval '1 s', lane, 0, 5 FROM actorq.ready"
    )
    with pytest.raises(BrokenLease, match="twice"):
        kit.claim(1)
    assert kit.store.give_back(1)
    assert kit.batch(2).ids == [job]


def test_a_claim_of_more_than_anybody_can_hold_goes_back(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "MAX_BYTES", 10)
    kit.enqueue(4, '"1234"')
    with pytest.raises(RowRefused, match="24 bytes of args"):
        kit.claim(1)
    assert kit.store.give_back(1)
    assert kit.claim(2, 1).n_taken == 1


def test_only_jobs_that_are_not_fresh_have_notes(kit: Kit) -> None:
    a, b, c = kit.enqueue(1) + kit.enqueue(1, max_attempts=9) + kit.enqueue(1)
    batch = kit.batch(1)
    assert batch.notes == {1: Counts(max_attempts=9)}
    row = Row(c, 0, "pending", "crashed", retry_in_s=0.0)
    kit.store.settle(1, [part(batch, [row])])
    assert kit.batch(2).notes == {0: Counts(attempt=1, n_crashed=1)}
    assert {a, b, c} == set(batch.ids)


def test_scheduled_jobs_other_lanes_and_suspects_are_left_alone(kit: Kit) -> None:
    kit.enqueue(1, run_at=datetime.now(UTC) + timedelta(hours=1))
    kit.conn.execute("INSERT INTO actorq.job (kind) VALUES ('other')")
    kit.conn.execute("INSERT INTO actorq.job (kind, queue) VALUES ('k', 'other')")
    kit.conn.execute("UPDATE actorq.ready SET suspect = 3 WHERE id = %s", kit.enqueue(1))
    assert kit.claim(1).n_taken == 0
    assert kit.claim(1, suspect=3).n_taken == 1


def test_a_claim_of_nothing_makes_no_lease(kit: Kit) -> None:
    claimed = kit.claim(1)
    assert (claimed.batches, claimed.n_taken, claimed.last) == ([], 0, {})
    assert kit.store.beat() == []


def test_a_claim_says_where_each_priority_ended(kit: Kit) -> None:
    for priority in (2, 5, 7):
        kit.enqueue(3, priority=priority)
    claimed = kit.claim(1, 8)
    (batch,) = claimed.batches
    ids = batch.ids
    # Each three are one block, known by its first job.
    assert {p: job for p, (_, job) in claimed.last.items()} == {2: ids[0], 5: ids[3], 7: ids[6]}
    us = kit.one(
        "SELECT (extract(epoch FROM run_at) * 1e6)::int8 FROM actorq.job WHERE id = %s",
        ids[7],
    )
    assert claimed.last[7][0] == us


def test_a_claim_looks_behind_its_frontier_only(kit: Kit) -> None:
    kit.enqueue(4)
    urgent = kit.enqueue(1, priority=1)
    frontier = kit.claim(1, 3).last
    behind = kit.enqueue(1, run_at=datetime(2020, 1, 1, tzinfo=UTC))
    rest = kit.batch(2, frontier=frontier)
    assert rest.n == 2
    assert kit.batch(3).ids == behind
    assert urgent[0] not in rest.ids


def test_waiting_for_a_full_batch_takes_nothing_and_says_how_long_it_waited(kit: Kit) -> None:
    kit.enqueue(3)
    held = kit.claim(1, min_n=4, linger_s=60.0)
    assert (held.n_taken, held.n_waiting) == (0, 3)
    assert held.oldest_s is not None
    assert 0 <= held.oldest_s < 60
    assert kit.claim(1, min_n=4, linger_s=0.0).n_taken == 3


def test_enough_jobs_are_taken_at_once_however_young(kit: Kit) -> None:
    kit.enqueue(4)
    assert kit.claim(1, 100, min_n=4, linger_s=60.0).n_taken == 4


def test_a_job_that_is_gone_or_final_is_taken_but_not_leased(kit: Kit) -> None:
    gone, final, good = kit.enqueue(3)
    kit.conn.execute("ALTER TABLE actorq.job DISABLE TRIGGER USER")
    kit.conn.execute("DELETE FROM actorq.job WHERE id = %s", [gone])
    kit.conn.execute("UPDATE actorq.job SET state = 'completed' WHERE id = %s", [final])
    claimed = kit.claim(1)
    assert claimed.n_taken == 3
    (batch,) = claimed.batches
    assert batch.ids == [good]
    assert kit.rows("SELECT jobs FROM actorq.lease") == [([good],)]


def test_if_all_are_gone_no_lease_stays_behind(kit: Kit) -> None:
    kit.enqueue(2)
    kit.conn.execute("ALTER TABLE actorq.job DISABLE TRIGGER USER")
    kit.conn.execute("DELETE FROM actorq.job")
    claimed = kit.claim(1)
    assert (claimed.n_taken, claimed.batches) == (2, [])
    assert kit.one("SELECT count(*) FROM actorq.lease") == 0


def test_two_claims_at_once_share_the_jobs_without_waiting(kit: Kit) -> None:
    kit.enqueue(10)
    singly(kit.conn)
    first, second = kit.open(), kit.open()
    first._session.execute("BEGIN")
    ask = Claim(kit.lane, 1, 6)
    mine = first.claim(ask)
    call = lambda: second.claim(msgspec.structs.replace(ask, lease=2))  # noqa: E731
    with beside(kit, first, second, call) as thread:
        assert thread.result().n_taken == 4
    first._session.execute("COMMIT")
    assert mine.n_taken == 6
    kit.check_places()


def test_no_planner_setting_makes_a_claim_take_more_than_its_limit(kit: Kit) -> None:
    kit.conn.execute("ANALYZE actorq.ready, actorq.job")
    kit.enqueue(700)
    singly(kit.conn)
    kit.enqueue(700)
    store = kit.open()
    for n, switches in enumerate(product(("on", "off"), repeat=len(PLANNER)), 1):
        for name, value in zip(PLANNER, switches, strict=True):
            store._session.execute(f"SET enable_{name} = {value}".encode())
        store._session.execute("DISCARD PLANS")
        claimed = store.claim(Claim(kit.lane, n, 10))
        (batch,) = claimed.batches
        assert claimed.n_taken == batch.n == len(set(batch.ids)) == 10
        assert claimed.n_rows <= 10
    kit.check_places()


def test_a_claim_does_not_wait_for_the_disk(kit: Kit) -> None:
    kit.enqueue(1)
    kit.store._session.execute("BEGIN")
    kit.claim(1)
    row = kit.store._session.execute("SHOW synchronous_commit").fetchone()
    kit.store._session.execute("COMMIT")
    assert row == ("off",)
    assert kit.store._session.execute("SHOW synchronous_commit").fetchone() == ("on",)


def test_a_claim_whose_reply_was_lost_is_adopted_with_the_same_jobs(kit: Kit) -> None:
    kit.enqueue(2)
    kit.enqueue(1, max_attempts=2)
    claimed = kit.batch(7)
    assert kit.store.beat() == [7]
    assert kit.store.read(7) == [claimed]
    assert kit.store.read(8) == []


def test_a_lease_settled_in_part_is_given_back_and_not_adopted(kit: Kit) -> None:
    ids = kit.enqueue(3)
    batch = kit.batch(1)
    kit.store.settle(1, [part(batch, [Row(ids[0], 0, "failed", "failed", error=ERROR)])])
    assert kit.store.read(1) == []
    assert not kit.store.give_back(1, seq=0)
    assert kit.store.give_back(1)  # whatever its seq: its node knows it no more
    kit.check_places()
    assert kit.batch(2).ids == ids[1:]


def test_giving_back_charges_nothing_and_keeps_the_place(kit: Kit) -> None:
    kit.enqueue(3)
    before = kit.rows("SELECT id, run_at, lane, priority FROM actorq.queued ORDER BY id")
    kit.batch(1)
    kit.store.give_back(1, seq=0)
    assert kit.rows("SELECT id, run_at, lane, priority FROM actorq.queued ORDER BY id") == before
    assert kit.one("SELECT max(attempt) FROM actorq.job") == 0


def test_the_types_of_what_is_sent_never_change(kit: Kit) -> None:
    """Each change would plan the statement again, and keep another plan for ever."""
    for n, big in enumerate([1, 2**15, 2**31, 2**40]):
        kit.enqueue(3)
        frontier = {5: (0, 0)} if n % 2 else {}
        batch = kit.batch(big, 3 - n % 2, frontier=frontier)
        kit.store.settle(big, [done(batch)])
        kit.store.due([DueAsk(kit.lane, frontier)])
        kit.store.beat()
    session = kit.store._session
    rows = session.execute("SELECT statement FROM pg_prepared_statements").fetchall()
    texts = [text for (text,) in rows]
    assert len(texts) == len(set(texts))


def test_a_call_whose_prepared_text_was_forgotten_prepares_it_again(kit: Kit) -> None:
    kit.enqueue(2)
    kit.batch(1, 1)
    kit.store._session.execute("DEALLOCATE ALL")
    assert kit.batch(2, 1).n == 1


@pytest.mark.parametrize("limit", [0, 1])
def test_a_limit_is_a_limit(kit: Kit, limit: int) -> None:
    kit.enqueue(2)
    assert kit.claim(1, limit).n_taken == limit
