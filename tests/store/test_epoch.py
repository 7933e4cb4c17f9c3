"""Connections leave a server together when one of them learns that it takes no more writes."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest

from actorq.core.store_values import DueAsk
from actorq.errors import StoreUnavailable
from actorq.store.queue.queue import QueueStore
from actorq.store.session.connection import connect
from actorq.store.session.epoch import Epoch
from actorq.store.session.faults import OnHold, remedy
from tests.store.kit import Kit, done, pid

READ_ONLY = "SET default_transaction_read_only = on"
"""What a fence, or a failover that leaves the old server up, does to every session."""


def turn(store: QueueStore) -> None:
    """Have the server say to this session only that it takes no more writes."""
    store._session.pgconn.exec_(READ_ONLY.encode())


@pytest.mark.parametrize("how", ["due", "beat", "claim", "direct", "listener"])
def test_what_one_connection_learns_all_others_go_by(kit: Kit, how: str) -> None:
    kit.enqueue(3)
    epoch = Epoch()
    one, other = kit.open(epoch=epoch), kit.open(epoch=epoch)
    batch = kit.batch(7)
    if how == "listener":
        other.listen()
    turn(one)
    if how == "claim":
        with pytest.raises(OnHold):
            one.beat()
    else:
        one.nodes()
    calls: dict[str, Callable[[], object]] = {
        "due": lambda: other.due([DueAsk(kit.lane)]),
        "listener": lambda: other.notifications(0),
        "direct": lambda: other.settle(1, [done(batch)]),
    }
    with pytest.raises(StoreUnavailable, match="read-only") as caught:
        calls.get(how, lambda: other.beat())()
    assert remedy(caught.value) == "reconnect"
    assert not other.alive
    assert kit.open(epoch=epoch).beat() == [7]


def test_a_refused_write_says_it_where_the_server_does_not(kit: Kit) -> None:
    epoch = Epoch()
    one, other = kit.open(epoch=epoch), kit.open(epoch=epoch)
    one._session.execute("BEGIN READ ONLY")
    with pytest.raises(OnHold):
        one.beat()
    assert epoch.n == 1
    assert other._session.is_outdated
    third = kit.open(epoch=epoch)._session
    third.execute("BEGIN READ ONLY")
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        third.blocking(lambda: third.pgconn.exec_(b"DELETE FROM actorq.lane"))
    assert epoch.n == 2


def test_a_transaction_that_is_open_may_still_end(kit: Kit) -> None:
    epoch = Epoch()
    one, other = kit.open(epoch=epoch), kit.open(epoch=epoch)
    with other._session.transaction():
        assert other.beat() == []
        turn(one)
        one.nodes()
        assert other.beat() == []
    with pytest.raises(StoreUnavailable):
        other.beat()


def test_while_no_server_takes_writes_nobody_runs_about(kit: Kit) -> None:
    """Else each that tries would send all others on, twice a second for as long as it lasts."""
    epoch = Epoch()
    fenced = psycopg.conninfo.make_conninfo(kit.dsn, options="-c default_transaction_read_only=on")
    stores = [QueueStore.connect(fenced, epoch=epoch, node=kit.node) for _ in range(3)]
    before = [pid(store) for store in stores]
    for store in stores:
        with pytest.raises(OnHold):
            store.beat()
        store.nodes()
    assert epoch.n == 0
    assert [pid(store) for store in stores] == before
    assert kit.open(epoch=epoch).beat() == []
    for store in stores:
        with pytest.raises(StoreUnavailable, match="reconnecting"):
            store.nodes()
        store.close()


def test_an_epoch_ends_once_however_many_notice() -> None:
    epoch = Epoch()
    assert [epoch.begun(False), epoch.begun(False)] == [0, 0]
    epoch.end(0)
    epoch.end(0)
    assert epoch.begun(False) == 1


def test_of_several_servers_the_one_that_takes_writes_is_chosen(dsn: str) -> None:
    given = psycopg.conninfo.conninfo_to_dict(dsn)
    several = {"host": f"{given['host']},{given['host']}", "port": "5432,5432"}
    for more, expected in (({}, "read-write"), ({"target_session_attrs": "any"}, "any")):
        both = psycopg.conninfo.make_conninfo(dsn, **several, **more)
        with connect(both, name="test") as conn:
            assert conn.info.get_parameters().get("target_session_attrs", "any") == expected
