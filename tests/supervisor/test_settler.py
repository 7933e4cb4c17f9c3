"""The settler keeps an outcome until it is certain that it is written."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import psycopg
import pytest

from actorq.core import event
from actorq.core.job.model import Settlement
from actorq.core.plan import inputs as i
from actorq.core.store_values import SettleReply
from actorq.errors import StoreUnavailable
from actorq.store.queue.queue import QueueStore
from actorq.store.session.faults import TooSlow
from actorq.supervisor.threads.settlers import Settlers
from actorq.supervisor.threads.store_thread import Open
from tests.store.kit import Kit, done, part
from tests.support.wait import wait_until


def opening(kit: Kit, kind: type[QueueStore]) -> Open:
    """Return how a settler connects with a store of this kind."""
    return lambda name: kind.connect(kit.dsn, name=name, node=kit.node)


class Forgetful(QueueStore):
    """Lose the answer of the first settle that was written around locks."""

    n_lost = 0

    def settle_around_locks(self, settle_no: int, settlements: Sequence[Settlement]) -> SettleReply:
        said = super().settle_around_locks(settle_no, settlements)
        if Forgetful.n_lost:
            return said
        Forgetful.n_lost += 1
        self.close()
        raise StoreUnavailable("the answer is lost")


@pytest.mark.parametrize("whole", [True, False])
def test_jobs_that_were_locked_while_an_answer_got_lost_are_settled_later(
    kit: Kit, whole: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Forgetful, "n_lost", 0)
    ids = kit.enqueue(4)
    batch = kit.batch(1)
    posted: list[Any] = []
    settler = Settlers(opening(kit, Forgetful), posted.append)
    with psycopg.connect(kit.dsn) as user:
        user.execute("SELECT FROM actorq.job WHERE id = %s FOR UPDATE", [ids[1]])
        sent = done(batch)
        if not whole:
            sent = part(batch, [])
            sent.done = {0: ids[:3]}
            sent.open_bits = b"\x08"
        settler.order(sent)
        settler.start()
        wait_until(lambda: list(kit.states().values()).count("completed") == sent.n - 1)
        wait_until(lambda: Forgetful.n_lost)
        assert kit.states()[ids[1]] == "running"
        assert not [p for p in posted if isinstance(p, i.Settled)], "said before it is true"
    wait_until(lambda: kit.states()[ids[1]] == "completed")
    kit.check_places()
    settler.stop()
    settler.join(10)
    (told,) = [p for p in posted if isinstance(p, i.Settled)]
    assert [s.n for s in told.settlements] == [sent.n]
    assert told.applied == {batch.lease}


def test_outcomes_of_a_job_under_two_leases_are_not_written_together(kit: Kit) -> None:
    """It was taken from the first lease while its outcome waited, and run again."""
    ids = kit.enqueue(3)
    first = kit.batch(1)
    kit.store.give_back(first.lease)
    second = kit.batch(2)
    assert first.ids == second.ids == ids
    posted: list[Any] = []
    settler = Settlers(opening(kit, QueueStore), posted.append)
    for batch in (first, second):
        settler.order(done(batch))
    settler.start()
    wait_until(lambda: len([p for p in posted if isinstance(p, i.Settled)]) == 2)
    settler.stop()
    settler.join(10)
    assert [set(p.applied) for p in posted if isinstance(p, i.Settled)] == [set(), {second.lease}]
    assert set(kit.states().values()) == {"completed"}


class Counting(QueueStore):
    """Note how many batches each statement carries."""

    carried: list[int]

    def settle(self, settle_no: int, settlements: Sequence[Settlement]) -> SettleReply:
        self.carried.append(len(settlements))
        return super().settle(settle_no, settlements)


@pytest.fixture
def counting(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settlers]:
    monkeypatch.setattr(Counting, "carried", [], raising=False)
    settler = Settlers(opening(kit, Counting), list[object]().append)
    yield settler
    settler.stop()
    settler.join(10)


def test_a_settler_that_is_stopped_before_it_has_begun_writes_what_it_has_and_ends(
    kit: Kit, counting: Settlers
) -> None:
    kit.enqueue(3)
    counting.order(done(kit.batch(1)))
    counting.stop()
    counting.start()
    counting.join(10)
    assert "actorq-settler" not in {thread.name for thread in threading.enumerate()}
    assert set(kit.states().values()) == {"completed"}


def test_small_statements_in_a_row_wait_for_more_but_the_first_does_not(
    kit: Kit, counting: Settlers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actorq.core.writing.writer.GATHER_S", 30.0)
    monkeypatch.setattr("actorq.core.writing.writer.ENOUGH_ROWS", 6)
    kit.enqueue(9)
    first, second, third = (done(kit.batch(n, 3)) for n in (1, 2, 3))
    counting.order(first)
    counting.start()
    wait_until(lambda: list(kit.states().values()).count("completed") == 3)
    counting.order(second)
    counting.order(third)
    wait_until(lambda: set(kit.states().values()) == {"completed"})
    assert Counting.carried == [1, 2]


class Cut(QueueStore):
    """Lose the connection of the first settle, before it is sent or after its commit."""

    after, n_cut = False, 0

    def settle(self, settle_no: int, settlements: Sequence[Settlement]) -> SettleReply:
        Cut.n_cut += 1
        if Cut.n_cut == 1 and not Cut.after:
            self.close()
        said = super().settle(settle_no, settlements)
        if Cut.n_cut == 1:
            self.close()
            raise StoreUnavailable("the answer is lost")
        return said


@pytest.mark.parametrize("after", [False, True], ids=["before it is sent", "after its commit"])
def test_a_settle_whose_connection_is_lost_is_written_once(
    kit: Kit, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Cut, "after", after)
    monkeypatch.setattr(Cut, "n_cut", 0)
    ids = kit.enqueue(3)
    batch = kit.batch(1)
    posted: list[Any] = []
    settler = Settlers(opening(kit, Cut), posted.append)
    settler.order(done(batch))
    settler.start()
    wait_until(lambda: [p for p in posted if isinstance(p, i.Settled)])
    assert [kit.states()[n] for n in ids] == ["completed"] * 3, "said before it is true"
    settler.stop()
    settler.join(10)
    (told,) = [p for p in posted if isinstance(p, i.Settled)]
    assert told.applied == {batch.lease}
    assert Cut.n_cut == (1 if after else 2)


def test_one_outcome_that_the_database_refuses_fails_its_job_alone(kit: Kit) -> None:
    ids = kit.enqueue(3)
    kit.conn.execute(
        f"""
        CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'not this one'; END $$;
        CREATE TRIGGER refuse BEFORE UPDATE ON actorq.job FOR EACH ROW
        WHEN (NEW.id = {ids[1]} AND NEW.state = 'completed') EXECUTE FUNCTION public.refuse()
        """.encode()
    )
    posted: list[Any] = []
    settler = Settlers(opening(kit, QueueStore), posted.append)
    settler.order(done(kit.batch(1)))
    settler.start()
    wait_until(lambda: [p for p in posted if isinstance(p, i.Settled)])
    settler.stop()
    settler.join(10)
    assert [kit.states()[n] for n in ids] == ["completed", "failed", "completed"]
    kit.check_places()


class Slow(QueueStore):
    """Take too long for the first two repairs."""

    n_mends = n_made = 0

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        Slow.n_made += 1

    def mend(self, ids: Sequence[int]) -> int:
        Slow.n_mends += 1
        if Slow.n_mends <= 2:
            raise TooSlow("canceling statement due to statement timeout")
        return super().mend(ids)


def test_a_repair_that_takes_too_long_is_tried_again_by_itself(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Slow, "n_mends", 0)
    monkeypatch.setattr(Slow, "n_made", 0)
    monkeypatch.setattr("actorq.core.writing.writer.MEND_WAIT_S", 0.05)
    ids = kit.enqueue(3)
    batch = kit.batch(1)
    kit.conn.execute("UPDATE actorq.job SET attempt = 7 WHERE id = %s", [ids[1]])
    posted: list[Any] = []
    settler = Settlers(opening(kit, Slow), posted.append)
    settler.order(done(batch))
    settler.start()
    wait_until(lambda: kit.rows("SELECT id FROM actorq.queued") == [(ids[1],)])
    settler.stop()
    settler.join(10)
    kit.check_places()
    assert [p.ids for p in posted if isinstance(p, event.RepairDelayed)] == [(ids[1],)] * 2
    assert (Slow.n_mends, Slow.n_made) == (3, 1), "it lost its connection for that"
