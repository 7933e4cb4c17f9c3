"""Two settlers: the second one works only where there is enough for both, and neither takes what
the other one has written for its own."""

from __future__ import annotations

from typing import Any

import pytest

from actorq.core import event
from actorq.core.plan import inputs as i
from actorq.errors import StoreUnavailable
from actorq.store.queue.queue import QueueStore
from actorq.supervisor.threads.orders import Orders
from actorq.supervisor.threads.settler import Settler
from actorq.supervisor.threads.settlers import SecondSettler, Settlers
from tests.store.kit import Kit, done
from tests.supervisor.test_settler import Cut
from tests.support.wait import wait_until

MAX_ROWS = 10


class Writing:
    """Run both settlers on a database, and keep what they say."""

    def __init__(self, kit: Kit, **more: Any) -> None:
        self.kit = kit
        self.posted: list[Any] = []
        self.settlers = Settlers(self.open, self.posted.append, MAX_ROWS, **more)

    def open(self, name: str) -> QueueStore:
        return QueueStore.connect(self.kit.dsn, name=name, node=self.kit.node)

    def order(self, n_batches: int, size: int = MAX_ROWS) -> None:
        """Have jobs written in batches that are ordered at once."""
        self.kit.enqueue(n_batches * size)
        self.ordered = [*range(1, n_batches + 1)]
        for batch in [self.kit.batch(n, size) for n in self.ordered]:
            self.settlers.order(done(batch))
        self.settlers.start()

    def end(self) -> None:
        """Wait until everything is written once, and told once."""
        wait_until(lambda: set(self.kit.states().values()) == {"completed"})
        self.settlers.stop()
        self.settlers.join(10)
        told = [s.lease for p in self.posted if isinstance(p, i.Settled) for s in p.settlements]
        assert sorted(told) == self.ordered
        assert self.kit.one("SELECT count(*) FROM actorq.job WHERE attempt <> 1") == 0
        self.kit.check_places()

    def who(self) -> set[int]:
        """Return who wrote, by the last numbers: 1 for the first one, 0 for the second."""
        return {no % 2 for (no,) in self.kit.rows("SELECT no FROM actorq.change")}


def test_both_write_everything_once(kit: Kit) -> None:
    writing = Writing(kit)
    writing.order(60)
    writing.end()
    assert writing.who() == {0, 1}


@pytest.mark.parametrize(("n_batches", "alone"), [(60, False), (1, True)])
def test_the_second_one_rests_beside_others_and_while_less_waits(
    kit: Kit, n_batches: int, alone: bool
) -> None:
    writing = Writing(kit, is_alone=lambda: alone)
    writing.order(n_batches)
    writing.end()
    assert writing.who() == {1}


class Refused(Writing):
    """Let no second settler connect; or first with a connection that is lost at once."""

    n_refused, n_lost = 0, 0

    def open(self, name: str) -> QueueStore:
        if name.endswith("settler") or self.n_lost < 0:
            return super().open(name)
        if self.n_lost == 0:
            self.n_refused += 1
            raise StoreUnavailable("too many connections")
        self.n_lost -= 1
        store = super().open(name)
        store.close()
        return store


def test_nothing_waits_for_a_second_one_that_gets_no_connection(kit: Kit) -> None:
    writing = Refused(kit)
    writing.order(60)
    wait_until(lambda: writing.n_refused)
    writing.end()


def test_only_what_it_has_sent_waits_for_a_second_one_that_has_lost_its_connection(
    kit: Kit,
) -> None:
    writing = Refused(kit)
    writing.n_lost = 1
    writing.order(60, size=6)  # two do not fit into a statement: the second is taken and waits
    wait_until(lambda: list(kit.states().values()).count("completed") == 59 * 6)
    assert writing.n_refused
    writing.n_lost = -1
    writing.end()
    assert writing.who() == {0, 1}


def test_one_is_enough_where_no_second_thread_can_start(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(SecondSettler, "start", start)
    writing = Writing(kit)
    writing.order(20)
    writing.end()
    (lost,) = [p for p in writing.posted if isinstance(p, event.ConnectionLost)]
    assert lost.error == "can't start new thread"


@pytest.mark.parametrize("first_no", [1, 2])
def test_the_other_ones_commit_is_not_taken_for_that_of_a_lost_statement(
    kit: Kit, first_no: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Cut, "after", False)
    monkeypatch.setattr(Cut, "n_cut", 0)
    mine, others = kit.enqueue(3), kit.enqueue(3)
    batch = kit.batch(1, 3)
    for n, job in enumerate(others, 2):  # the other one is far ahead
        kit.store.settle(2 * n + 1 - first_no, [done(kit.batch(n, 1))])
        assert kit.states()[job] == "completed"
    posted: list[Any] = []
    open_ = lambda name: Cut.connect(kit.dsn, name=name, node=kit.node)  # noqa: E731
    orders = Orders(MAX_ROWS, 2)
    settler = Settler(open_, posted.append, orders, first_no)
    orders.put(done(batch))
    settler.start()
    wait_until(lambda: [p for p in posted if isinstance(p, i.Settled)])
    settler.stop()
    orders.end()
    settler.join(10)
    assert [kit.states()[job] for job in mine] == ["completed"] * 3, "said before it is true"
    assert Cut.n_cut == 2
