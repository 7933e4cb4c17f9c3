"""The settle: what it writes, what entitles to it, and what it does about refused values."""

from __future__ import annotations

from math import inf, nan

import pytest

from actorq.core.job.model import ErrorInfo, Row, Settlement
from actorq.errors import InternalError, RowRefused
from actorq.store.queue.cancel import cancel
from actorq.store.session.faults import LockTimeout
from tests.store.kit import ERROR, Kit, as_node, beside, done, part


def job(kit: Kit, n: int, columns: str) -> tuple[object, ...]:
    (row,) = kit.rows(f"SELECT {columns} FROM actorq.job WHERE id = %s", n)
    return row


def test_plain_completions_end_the_jobs_and_the_lease(kit: Kit) -> None:
    ids = kit.enqueue(3)
    settled = kit.store.settle(1, [done(kit.batch(1))])
    assert (settled.leases, settled.missing, settled.seqs) == ({1}, [], {})
    assert kit.states() == dict.fromkeys(ids, "completed")
    assert job(kit, ids[0], "attempt, n_failed, attempted_at < finalized_at") == (1, 0, True)
    assert kit.one("SELECT count(*) FROM actorq.lease") == 0
    assert kit.store.settle_no(1) == 1


@pytest.mark.parametrize("n_leases", [1, 2, 9, 70])
def test_many_batches_are_settled_in_one_statement(kit: Kit, n_leases: int) -> None:
    kit.enqueue(n_leases)
    batches = [kit.batch(n, 1) for n in range(1, n_leases + 1)]
    settled = kit.store.settle(1, [done(batch) for batch in batches])
    assert len(settled.leases) == n_leases
    assert settled.missing == []
    assert set(kit.states().values()) == {"completed"}


def test_jobs_of_one_batch_may_have_different_attempts(kit: Kit) -> None:
    ids = kit.enqueue(3)
    batch = kit.batch(1)
    rows = [Row(n, 0, "pending", "failed", retry_in_s=0.0, error=ERROR) for n in ids[:2]]
    kit.store.settle(1, [part(batch, rows)])
    again = kit.batch(2)
    assert kit.store.settle(2, [done(again)]).missing == []
    assert [kit.states()[n] for n in ids] == ["completed", "completed", "running"]


def test_results_are_kept_as_they_were_sent(kit: Kit) -> None:
    texts = ['{"a":"\\\\ \\"é{}"}', "[1.0,2e0]", "null", '"\\u0000"', '"NULL"']
    ids = kit.enqueue(len(texts))
    kit.batch(1)
    rows = [Row(n, 0, "completed", result=t.encode()) for n, t in zip(ids, texts, strict=True)]
    kit.store.settle(1, [Settlement(1, 0, {}, rows)])
    stored = kit.rows("SELECT value::text FROM actorq.result ORDER BY job")
    assert [text for (text,) in stored] == texts


def test_a_retry_comes_back_after_its_delay_with_its_error_kept(kit: Kit) -> None:
    (n,) = kit.enqueue(1, priority=3)
    kit.batch(1)
    row = Row(n, 0, "pending", "failed", retry_in_s=60.0, suspect=4, error=ERROR)
    kit.store.settle(1, [Settlement(1, 0, {}, [row])])
    kit.check_places()
    wait = "round(extract(epoch FROM run_at - attempted_at))"
    assert job(kit, n, f"state::text, attempt, n_failed, finalized_at, {wait}") == (
        "pending", 1, 1, None, 60,
    )  # fmt: skip
    assert kit.rows("SELECT suspect, priority FROM actorq.ready") == [(4, 3)]
    columns = "job, attempt, final, cause, type, message, traceback"
    assert kit.rows(f"SELECT {columns} FROM actorq.failure") == [
        (n, 1, False, "error", "ValueError", "no", "Traceback …")
    ]


def test_a_job_given_back_is_not_charged_and_keeps_its_time(kit: Kit) -> None:
    (n,) = kit.enqueue(1)
    before = job(kit, n, "run_at, attempt, n_failed, n_crashed")
    kit.batch(1)
    kit.store.settle(1, [Settlement(1, 0, {}, [Row(n, 0, "pending", suspect=8)])])
    kit.check_places()
    assert job(kit, n, "run_at, attempt, n_failed, n_crashed") == before
    assert kit.rows("SELECT suspect FROM actorq.ready") == [(8,)]


def test_each_charge_has_its_counter(kit: Kit) -> None:
    a, b, c, d = kit.enqueue(4)
    kit.batch(1)
    rows = [
        Row(
            a, 0, "pending", "crashed", retry_in_s=0.0, error=ErrorInfo("Signal", "", "", "signal")
        ),
        Row(b, 0, "failed", "failed", error=ERROR),
        Row(c, 0, "failed", "crashed", error=ErrorInfo("Exit", "1", "", "exit")),
        Row(d, 0, "cancelled"),
    ]
    kit.store.settle(1, [Settlement(1, 0, {}, rows)])
    columns = "attempt, n_failed, n_crashed, state::text, finalized_at IS NULL"
    assert [job(kit, n, columns) for n in (a, b, c, d)] == [
        (1, 0, 1, "pending", True),
        (1, 1, 0, "failed", False),
        (1, 0, 1, "failed", False),
        (0, 0, 0, "cancelled", False),
    ]
    assert kit.rows("SELECT job, cause FROM actorq.failure WHERE final ORDER BY job") == [
        (b, "error"), (c, "exit"),
    ]  # fmt: skip


@pytest.mark.parametrize("delay", [nan, inf, -inf, -1.0, 1e300])
def test_no_delay_is_out_of_range(kit: Kit, delay: float) -> None:
    (n,) = kit.enqueue(1)
    kit.batch(1)
    row = Row(n, 0, "pending", "failed", retry_in_s=delay, error=ERROR)
    kit.store.settle(1, [Settlement(1, 0, {}, [row])])
    assert kit.one("SELECT run_at < now() + interval '31 days' FROM actorq.ready") is True


def test_a_replay_finds_nothing(kit: Kit) -> None:
    kit.enqueue(2)
    settlement = done(kit.batch(1))
    kit.store.settle(1, [settlement])
    assert kit.store.settle(1, [settlement]).leases == set()


def test_a_replayed_part_settle_touches_no_later_claim(kit: Kit) -> None:
    """The lease is still there after a part-settle: only its sequence number has moved."""
    first, second = kit.enqueue(2)
    batch = kit.batch(1)
    retry = part(batch, [Row(first, 0, "pending", suspect=0)])
    assert kit.store.settle(1, [retry]).seqs == {1: 1}
    assert kit.batch(2).ids == [first]
    assert kit.store.settle(1, [retry]).leases == set()
    stale = Settlement(1, 0, {0: [first, second]}, [])
    assert kit.store.settle(2, [stale]).leases == set()
    kit.check_places()
    assert kit.states() == {first: "running", second: "running"}


def test_a_part_settle_leaves_the_others_open_under_the_lease(kit: Kit) -> None:
    ids = kit.enqueue(11)
    batch = kit.batch(1)
    rows = [Row(n, 0, "completed", result=b"1") for n in ids[:9]]
    assert kit.store.settle(1, [part(batch, rows)]).seqs == {1: 1}
    kit.check_places()
    assert [kit.states()[n] for n in ids] == ["completed"] * 9 + ["running"] * 2
    rest = Settlement(1, 1, {0: ids[9:]}, [])
    assert kit.store.settle(2, [rest]).missing == []
    assert set(kit.states().values()) == {"completed"}


def test_the_attempt_is_part_of_the_fence(kit: Kit) -> None:
    ids = kit.enqueue(2)
    kit.batch(1)
    settled = kit.store.settle(1, [Settlement(1, 0, {0: ids[:1], 7: [ids[1]]}, [])])
    assert (settled.leases, settled.missing) == ({1}, [ids[1]])


def test_the_lease_of_another_node_is_nobody_elses(kit: Kit) -> None:
    kit.enqueue(1)
    settlement = done(kit.batch(1))
    assert as_node(kit.store, kit.register()).settle(1, [settlement]).leases == set()
    kit.store.leave()
    assert kit.store.settle(1, [settlement]).leases == set()
    assert set(kit.states().values()) == {"running"}


def test_a_job_named_twice_is_a_bug_and_writes_nothing(kit: Kit) -> None:
    (n,) = kit.enqueue(1)
    kit.batch(1)
    with pytest.raises(InternalError, match="twice"):
        kit.store.settle(1, [Settlement(1, 0, {0: [n]}, [Row(n, 0, "cancelled")])])
    assert kit.states() == {n: "running"}


def test_a_retry_of_a_job_that_is_to_be_cancelled_ends_it(kit: Kit) -> None:
    ids = kit.enqueue(2)
    kit.batch(1)
    found = cancel(kit.conn, [ids[0]])
    assert found.requested == [ids[0]]
    rows = [Row(n, 0, "pending", "failed", retry_in_s=0.0, error=ERROR) for n in ids]
    kit.store.settle(1, [Settlement(1, 0, {}, rows)])
    kit.check_places()
    assert kit.states() == {ids[0]: "cancelled", ids[1]: "retrying"}
    assert kit.one("SELECT count(*) FROM actorq.failure WHERE final") == 0


def test_a_job_that_completes_before_its_cancel_is_seen_is_completed(kit: Kit) -> None:
    ids = kit.enqueue(1)
    batch = kit.batch(1)
    cancel(kit.conn, ids)
    kit.store.settle(1, [done(batch)])
    assert kit.states() == {ids[0]: "completed"}


def test_one_lock_of_a_user_stops_one_job_only(kit: Kit) -> None:
    ids = kit.enqueue(20)
    batches = [kit.batch(1, 10), kit.batch(2, 10)]
    kit.conn.execute("BEGIN")
    kit.conn.execute("UPDATE actorq.job SET args = '1' WHERE id = %s", [ids[3]])
    everything = [done(batch) for batch in batches]
    with pytest.raises(LockTimeout):
        kit.store.settle(1, everything)
    settled = kit.store.settle_around_locks(1, everything)
    assert (settled.kept, settled.seqs, settled.missing) == ([ids[3]], {1: 1}, [])
    kit.conn.execute("COMMIT")
    kit.check_places()
    assert [n for n, state in kit.states().items() if state == "running"] == [ids[3]]
    last = kit.store.settle(2, [Settlement(1, 1, {0: [ids[3]]}, [])])
    assert last.leases == {1}
    assert set(kit.states().values()) == {"completed"}


def test_a_locked_job_stays_open_only_under_the_lease_that_it_has_now(kit: Kit) -> None:
    """It was in the other one as well, but came back from there and was claimed again."""
    first, second, third = kit.enqueue(3)
    batch = kit.batch(1)
    kit.store.settle(1, [part(batch, [Row(first, 0, "pending")])])
    assert kit.batch(2).ids == [first]
    with kit.conn.transaction():
        kit.conn.execute("SELECT FROM actorq.job WHERE id = %s FOR UPDATE", [first])
        both = [Settlement(1, 1, {0: [second, third]}, []), Settlement(2, 0, {0: [first]}, [])]
        settled = kit.store.settle_around_locks(2, both)
    assert (settled.kept, settled.seqs) == ([first], {2: 1})
    kit.check_places()
    assert kit.store.beat() == [2]


def test_a_lock_on_one_job_and_a_refused_result_of_another_stop_no_third(kit: Kit) -> None:
    ids = kit.enqueue(9)
    kit.batch(1)
    with kit.conn.transaction():
        kit.conn.execute("SELECT FROM actorq.job WHERE id = %s FOR UPDATE", [ids[3]])
        rows = [Row(n, 0, "completed", result=b"{" if n == ids[5] else b"1") for n in ids]
        settled = kit.store.settle_around_locks(1, [Settlement(1, 0, {}, rows)])
    assert (settled.kept, settled.refused, settled.missing) == ([ids[3]], [ids[5]], [])
    kit.check_places()
    states = kit.states()
    assert (states.pop(ids[3]), states.pop(ids[5])) == ("running", "failed")
    assert set(states.values()) == {"completed"}


def test_a_refused_result_fails_its_job_also_where_only_some_are_written(kit: Kit) -> None:
    """Or outcomes that take too long together, one of them refused, were tried for ever."""
    ids = kit.enqueue(9)
    kit.batch(1)
    rows = [Row(n, 0, "completed", result=b"{" if n == ids[2] else b"1") for n in ids]
    settled = kit.store.settle_first(1, [Settlement(1, 0, {}, rows)], 4)
    assert (settled.kept, settled.refused, settled.missing) == (ids[4:], [ids[2]], [])
    kit.check_places()
    states = list(kit.states().values())
    assert states == ["completed"] * 2 + ["failed", "completed"] + ["running"] * 5


def test_a_job_that_is_gone_is_missing_and_not_kept_for_ever(kit: Kit) -> None:
    ids = kit.enqueue(2)
    batch = kit.batch(1)
    kit.conn.execute("ALTER TABLE actorq.job DISABLE TRIGGER USER")
    kit.conn.execute("DELETE FROM actorq.job WHERE id = %s", [ids[0]])
    settled = kit.store.settle_around_locks(1, [done(batch)])
    assert (settled.kept, settled.missing) == ([], [ids[0]])


@pytest.mark.parametrize("bad", [b"{", b"\xff", b'"\x00"', b"nan", b"", b"1\x1e2"])
def test_one_result_that_cannot_be_stored_fails_its_job_alone(kit: Kit, bad: bytes) -> None:
    ids = kit.enqueue(1000)
    kit.batch(1)
    rows = [Row(n, 0, "completed", result=bad if n == ids[617] else b"{}") for n in ids]
    settlements = [Settlement(1, 0, {}, rows)]
    with pytest.raises(RowRefused) as refused:
        kit.store.settle(1, settlements)
    settled = kit.store.settle_refused(1, settlements, str(refused.value))
    assert (settled.refused, settled.missing) == ([ids[617]], [])
    states = kit.states()
    assert states.pop(ids[617]) == "failed"
    assert set(states.values()) == {"completed"}
    assert kit.rows("SELECT job, cause, final FROM actorq.failure") == [(ids[617], "result", True)]


def test_a_rule_of_the_users_own_that_fires_at_commit_is_found_as_well(kit: Kit) -> None:
    ids = kit.enqueue(9)
    kit.conn.execute(
        """
        CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'never' USING ERRCODE = 'check_violation'; END $$;
        CREATE CONSTRAINT TRIGGER refuse AFTER UPDATE ON actorq.job
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
        WHEN (NEW.id = 4 AND NEW.state = 'completed') EXECUTE FUNCTION public.refuse()
        """
    )
    settlements = [done(kit.batch(1))]
    with pytest.raises(RowRefused):
        kit.store.settle(1, settlements)
    assert kit.store.settle_refused(1, settlements, "never").refused == [4]
    assert [n for n, state in kit.states().items() if state != "completed"] == [ids[3]]


def test_settles_with_opposite_orders_never_deadlock(kit: Kit) -> None:
    """Every statement takes the locks of a batch's jobs in the order of their ids."""
    ids = kit.enqueue(60)
    batch, other, third = (kit.batch(n, 20) for n in (1, 2, 3))
    assert sorted(batch.ids + other.ids + third.ids) == ids
    kit.enqueue(5000)  # of a few rows all would be read, in order, and none looked for
    kit.conn.execute("ANALYZE actorq.job")
    backwards = Settlement(1, 0, {0: batch.ids[::-1]}, [])
    mixed = Settlement(
        2,
        0,
        {0: other.ids[::2]},
        [Row(n, 0, "failed", "failed", error=ERROR) for n in other.ids[1::2][::-1]],
    )
    results = Settlement(3, 0, {}, [Row(n, 0, "completed", result=b"1") for n in third.ids[::-1]])
    kit.conn.execute("CREATE TABLE public.seen (n bigserial, job bigint)")
    kit.conn.execute(
        """
        CREATE FUNCTION public.see() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN INSERT INTO public.seen (job) VALUES (NEW.id); RETURN NEW; END $$;
        CREATE TRIGGER see BEFORE UPDATE ON actorq.job
        FOR EACH ROW EXECUTE FUNCTION public.see()
        """
    )
    kit.store.settle(1, [results, mixed, backwards])
    seen = [n for (n,) in kit.rows("SELECT job FROM public.seen ORDER BY n")]
    for some in (seen[:20], seen[20:30], seen[30:50], seen[50:]):
        assert some == sorted(some)


@pytest.mark.parametrize("result", [None, 100, 1000])
def test_outcomes_do_not_move_the_rows_of_jobs(kit: Kit, result: int | None) -> None:
    """An update that stays on its page touches no index."""
    kit.enqueue(2000, '"' + "x" * 298 + '"')
    for n in (1, 2):
        batch = kit.batch(n, 1000)
        text = None if result is None else b'"' + b"x" * result + b'"'
        rows = [Row(i, 0, "completed", result=text) for i in batch.ids]
        kit.store.settle(n, [Settlement(n, 0, {}, rows)])
    kit.store._session.execute("SELECT pg_stat_force_next_flush()")
    kit.store.beat()
    kit.store.close()
    (counts,) = kit.rows(
        "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables"
        " WHERE schemaname = 'actorq' AND relname = 'job'"
    )
    assert counts[0] == 2000
    assert counts[1] >= 0.95 * 2000


@pytest.mark.parametrize("around", [False, True])
def test_a_settle_that_met_itself_says_that_it_is_written(kit: Kit, around: bool) -> None:
    """Its first answer was lost while it was still running: the lease goes while it waits."""
    kit.enqueue(2)
    sent = [done(kit.batch(1))]
    first, second = kit.open(), kit.open()
    again = second.settle_around_locks if around else second.settle
    with first._session.transaction():
        assert first.settle(1, sent).leases == {1}
        with beside(kit, first, second, lambda: again(1, sent)) as waiting:
            pass
    reply = waiting.result()
    assert (reply.leases, reply.missing, reply.is_repeated) == (set(), [], True)
    assert set(kit.states().values()) == {"completed"}
    kit.enqueue(1)
    assert not kit.store.settle(3, [done(kit.batch(2))]).is_repeated
    kit.store.leave()
    assert not kit.store.settle(5, sent).is_repeated, "a dead node has settled nothing"
