"""What other sessions do on the same server neither stops the queue nor is stopped by it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import psycopg
import pytest

from actorq import embedded
from actorq.core.store_values import DueAsk
from actorq.store.queue.cancel import cancel
from actorq.store.schema.migrate import migrate
from actorq.store.session.faults import LockTimeout
from tests.store.kit import Kit, as_node, done
from tests.support.server import HOMES, MAJOR

NAME = "n" * 128


@pytest.fixture
def short_of_notifications() -> Iterator[Kit]:
    """Return a kit on a server of its own whose queue of notifications is full."""
    if MAJOR and int(MAJOR) < 17:
        pytest.skip("the queue cannot be made small before PostgreSQL 17")
    HOMES.mkdir(mode=0o711, exist_ok=True)
    settings = {"max_notify_queue_pages": "64"}
    home = HOMES / uuid.uuid4().hex[:12]
    with embedded.start(home, durable=False, settings=settings) as server:
        migrate(server.dsn)
        kit = Kit(server.dsn)
        with psycopg.connect(server.dsn, autocommit=True) as hanging:
            hanging.execute("LISTEN x")
            hanging.execute("BEGIN")
            with pytest.raises(psycopg.OperationalError, match="NOTIFY queue"):
                _fill(kit)
            yield kit
        kit.close()
    embedded.remove(home)


def _fill(kit: Kit) -> None:
    for n in range(1000):
        kit.conn.execute("SELECT pg_notify('x', repeat('x', 7900) || %s)", [n])


def test_a_listener_that_hangs_stops_no_enqueue_and_no_cancel(short_of_notifications: Kit) -> None:
    kit = short_of_notifications
    kit.store.hunger({kit.lane}, set())
    ids = kit.enqueue(2)
    kit.batch(1, 1)
    found = cancel(kit.conn, ids)
    assert (found.requested, found.cancelled) == ([ids[0]], [ids[1]])


def test_rows_that_refer_to_a_job_are_no_obstacle(kit: Kit) -> None:
    ids = kit.enqueue(2)
    kit.conn.execute("CREATE TABLE public.mine (job bigint REFERENCES actorq.job)")
    with kit.conn.transaction():
        kit.conn.execute("INSERT INTO public.mine SELECT unnest(%s::bigint[])", [ids])
        batch = kit.batch(1)
        assert batch.ids == ids
        assert kit.store.settle(1, [done(batch)]).missing == []
    assert set(kit.states().values()) == {"completed"}


def test_a_table_that_somebody_has_locked_stops_no_heart(kit: Kit) -> None:
    kit.enqueue(1)
    kit.batch(1)
    kit.store.leave()
    other = kit.register()
    with kit.conn.transaction():
        kit.conn.execute("LOCK TABLE actorq.job")
        assert as_node(kit.store, other).beat() == []
        assert [node.id for node in kit.store.nodes()] == [other]
        with pytest.raises(LockTimeout):
            kit.store.reap(10, 3, 2)
    assert kit.store.reap(10, 3, 2).returned == 1


def test_a_beat_touches_no_index(kit: Kit) -> None:
    for _ in range(40):
        kit.store.beat()
    kit.store._session.execute("SELECT pg_stat_force_next_flush()")
    kit.store.beat()
    kit.store.close()
    ((n_updated, n_hot),) = kit.rows(
        "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables"
        " WHERE schemaname = 'actorq' AND relname = 'node'"
    )
    assert n_updated >= 40
    assert n_hot >= 0.95 * n_updated


def test_the_longest_names_are_woken_and_found(kit: Kit) -> None:
    (lane,) = kit.store.lanes([(NAME, NAME)]).values()
    kit.store.listen()
    kit.store.hunger({lane}, set())
    kit.conn.execute("INSERT INTO actorq.job (queue, kind) VALUES (%s, %s)", [NAME, NAME])
    assert kit.store.notifications(10) == [f"{lane} {kit.node}"]
    assert [due.due for due in kit.store.due([DueAsk(lane)])] == [True]
