"""Two settlers: the second one works only where there is enough for both, and neither takes what
the other one has written for its own."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from actorq.core import inputs as i
from actorq.core.model import Settlement
from actorq.store.queue import QueueStore
from actorq.supervisor.settler import Settler
from actorq.supervisor.settlers import Settlers
from tests.store.kit import Kit, done
from tests.supervisor.test_settler import Cut
from tests.support.wait import wait_until


class Pretended:
    """Stand in for a settler that writes when it is told to."""

    def __init__(self, first_no: int) -> None:
        self.first_no = first_no
        self.done: list[str] = []
        self.ordered: list[int] = []
        self.n_statements = 0

    def order(self, settlement: Settlement) -> None:
        self.ordered.append(settlement.lease)

    def __getattr__(self, name: str) -> Any:
        return lambda *_: self.done.append(name)


def test_the_second_one_takes_what_waits_less_unless_others_share_the_work() -> None:
    made: list[Pretended] = []

    def make(first_no: int) -> Any:
        made.append(Pretended(first_no))
        return made[-1]

    others: list[str] = []
    settlers = Settlers(make, lambda: not others)
    settlers.start()
    order = lambda lease: settlers.order(Settlement(lease, 0, {}, []))  # noqa: E731
    order(1)
    assert len(made) == 1
    made[0].n_statements = 1
    order(2)
    made[1].n_statements = 1
    order(3)
    made[0].n_statements = 2
    order(4)
    others.append("another supervisor")
    order(5)
    others.clear()
    order(6)
    made[0].n_statements = made[1].n_statements = 0
    order(7)
    settlers.stop()
    settlers.join(1.0)
    assert [(one.first_no, one.ordered) for one in made] == [(1, [1, 3, 5, 7]), (2, [2, 4, 6])]
    assert [one.done for one in made] == [["start", "stop", "join"]] * 2


def test_what_waits_is_counted_in_whole_statements(kit: Kit) -> None:
    kit.enqueue(20)
    settler = Settler(
        kit.node, lambda name: QueueStore.connect(kit.dsn, name=name), [].append, max_rows=8
    )
    counts = []
    for n in (1, 2, 3, 4):
        settler.order(done(kit.batch(n, 5)))
        counts.append(settler.n_statements)
    assert counts == [0, 1, 1, 2]
    settler.start()
    wait_until(lambda: set(kit.states().values()) == {"completed"})
    assert settler.n_statements == 0
    settler.stop()
    settler.join(10)


@pytest.mark.parametrize("first_no", [1, 2])
def test_the_other_ones_commit_is_not_taken_for_that_of_a_lost_statement(
    kit: Kit, first_no: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Cut, "after", False)
    monkeypatch.setattr(Cut, "n_cut", 0)
    mine, others = kit.enqueue(3), kit.enqueue(3)
    batch = kit.batch(1, 3)
    for n, job in enumerate(others, 2):  # the other one is far ahead
        kit.store.settle(kit.node, 2 * n + 1 - first_no, [done(kit.batch(n, 1))])
        assert kit.states()[job] == "completed"
    posted: list[Any] = []
    open_ = lambda name: Cut.connect(kit.dsn, name=name)  # noqa: E731
    settler = Settler(kit.node, open_, posted.append, first_no=first_no)
    settler.order(done(batch))
    settler.start()
    wait_until(lambda: [p for p in posted if isinstance(p, i.Settled)])
    settler.stop()
    settler.join(10)
    assert [kit.states()[job] for job in mine] == ["completed"] * 3, "said before it is true"
    assert Cut.n_cut == 2


def test_both_write_everything_once(kit: Kit) -> None:
    ids = kit.enqueue(600)
    posted: list[Any] = []
    open_ = lambda name: QueueStore.connect(kit.dsn, name=name)  # noqa: E731
    make = partial(Settler, kit.node, open_, posted.append, 10)
    settlers = Settlers(make, lambda: True)
    batches = [kit.batch(n, 10) for n in range(1, 61)]
    for batch in batches:
        settlers.order(done(batch))
    settlers.start()
    wait_until(lambda: set(kit.states().values()) == {"completed"})
    settlers.stop()
    settlers.join(10)
    told = [s.lease for p in posted if isinstance(p, i.Settled) for s in p.settlements]
    assert sorted(told) == [batch.lease for batch in batches]
    assert kit.one("SELECT count(*) FROM actorq.job WHERE attempt = 1") == len(ids)
    assert {no % 2 for (no,) in kit.rows("SELECT no FROM actorq.settled")} == {0, 1}
    kit.check_places()
