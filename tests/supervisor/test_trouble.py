"""A server in trouble delays outcomes, loses none and writes none twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from actorq.core import event
from actorq.core.job.model import Settlement
from actorq.core.plan import inputs as i
from actorq.store.queue.queue import QueueStore
from actorq.supervisor.threads.settlers import Settlers
from tests.store.kit import Kit, Second, done
from tests.support.wait import wait_until

RAISE = """
    CREATE FUNCTION public.trouble() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {} END $$;
    CREATE TRIGGER trouble BEFORE UPDATE ON actorq.job FOR EACH {} EXECUTE FUNCTION public.trouble()
"""
FULL = "RAISE 'could not extend file: No space left on device' USING ERRCODE = 'disk_full';"
SLOW = "PERFORM pg_sleep(0.02); RETURN NEW;"
NEVER = "IF NEW.id % 5 = 0 THEN RAISE 'nobody touches this'; END IF; RETURN NEW;"


class Writing:
    """Run a settler in its thread and keep what it says."""

    def __init__(self, kit: Kit, **timeouts: Any) -> None:
        self.kit = kit
        self.posted: list[Any] = []
        self._timeouts = timeouts
        self._settler = Settlers(self._open, self.posted.append)
        kit.conn.execute(
            """
            CREATE TABLE public.ended (job bigint);
            CREATE FUNCTION public.note_end() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN INSERT INTO public.ended VALUES (NEW.id); RETURN NULL; END $$;
            CREATE TRIGGER note_end AFTER UPDATE OF state ON actorq.job FOR EACH ROW
            WHEN (NEW.state <> 'pending') EXECUTE FUNCTION public.note_end();
            """
        )

    def _open(self, name: str) -> QueueStore:
        return QueueStore.connect(self.kit.dsn, name=name, node=self.kit.node, **self._timeouts)

    def order(self, *settlements: Settlement) -> None:
        """Give outcomes to a settler that has just started."""
        for settlement in settlements:
            self._settler.order(settlement)
        self._settler.start()

    def stop(self) -> None:
        """End the settler's thread."""
        self._settler.stop()
        self._settler.join(20)

    def delays(self) -> list[str]:
        """Return why outcomes could not be written so far."""
        return [p.reason for p in self.posted if isinstance(p, event.SettleDelayed)]

    def written(self) -> list[int]:
        """Return the leases of which everything is said to be written."""
        told = [p for p in self.posted if isinstance(p, i.Settled)]
        return sorted(s.lease for p in told for s in p.settlements)

    def wait_for_all(self, *leases: int) -> None:
        """Wait until the leases are done with, and see that each job has ended once."""
        wait_until(lambda: self.written() == list(leases))
        ids = [n for (n,) in self.kit.rows("SELECT id FROM actorq.job ORDER BY id")]
        assert [n for (n,) in self.kit.rows("SELECT job FROM public.ended ORDER BY 1")] == ids
        self.kit.check_places()


@pytest.fixture
def writing(kit: Kit) -> Iterator[Writing]:
    writing = Writing(kit, statement_timeout_s=0.3)
    yield writing
    writing.stop()


def read_only(kit: Kit) -> Callable[[], object]:
    """Refuse to write, as a server that is no longer the primary; it is not cured where it is."""
    name = kit.conn.info.dbname
    kit.conn.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on".encode())
    reset = f"ALTER DATABASE {name} RESET default_transaction_read_only"
    return lambda: kit.conn.execute(reset.encode())


def disk_full(kit: Kit) -> Callable[[], object]:
    kit.conn.execute(RAISE.format(FULL, "STATEMENT").encode())
    return lambda: kit.conn.execute("DROP TRIGGER trouble ON actorq.job")


def locked(kit: Kit) -> Callable[[], object]:
    kit.conn.execute("BEGIN; LOCK TABLE actorq.job")
    return lambda: kit.conn.execute("COMMIT")


@pytest.mark.parametrize("trouble", [read_only, disk_full, locked], ids=lambda t: t.__name__)
def test_outcomes_wait_until_the_server_writes_again(
    kit: Kit, writing: Writing, trouble: Callable[[Kit], Callable[[], object]]
) -> None:
    kit.enqueue(3)
    batch = kit.batch(1)
    end = trouble(kit)
    writing.order(done(batch))
    wait_until(writing.delays)
    assert not writing.written(), "said before it is true"
    end()
    writing.wait_for_all(1)


def test_the_victim_of_a_deadlock_tries_again(kit: Kit) -> None:
    """A user locks what a settle still needs, and waits for what it has locked already."""
    writing = Writing(kit, lock_timeout_s=15)
    ids = kit.enqueue(2)
    batch = kit.batch(1)
    name = kit.conn.info.dbname
    kit.conn.execute(f"ALTER DATABASE {name} SET deadlock_timeout = '700ms'".encode())
    lock = "SELECT FROM actorq.job WHERE id = %s FOR UPDATE"
    other = kit.open(lock_timeout_s=15)
    other._session.execute("SET deadlock_timeout = '1min'; BEGIN")
    other._session.execute(lock, [ids[1]])
    writing.order(done(batch))
    try:
        wait_until(lambda: kit.rows("SELECT FROM pg_locks WHERE NOT granted"))
        user = Second(lambda: other._session.execute(lock, [ids[0]]))
        user.start()
        wait_until(writing.delays)
        assert "40P01" in writing.delays()[0]
        user.result()
        other._session.execute("COMMIT")
        writing.wait_for_all(1)
    finally:
        writing.stop()


@pytest.mark.parametrize("sizes", [[5, 5, 5, 5], [24]], ids=["batches", "one batch"])
def test_what_takes_too_long_at_once_is_written_in_parts(
    kit: Kit, writing: Writing, sizes: list[int]
) -> None:
    kit.enqueue(sum(sizes))
    batches = [kit.batch(n, size) for n, size in enumerate(sizes, 1)]
    kit.conn.execute(RAISE.format(SLOW, "ROW").encode())
    writing.order(*(done(batch) for batch in batches))
    writing.wait_for_all(*range(1, len(sizes) + 1))


def test_a_job_that_can_neither_complete_nor_fail_keeps_nobody_else(
    kit: Kit, writing: Writing
) -> None:
    ids = kit.enqueue(9)
    kit.conn.execute(RAISE.format(NEVER, "ROW").encode())
    batch = kit.batch(1)
    writing.order(done(batch))
    others = [n for n in ids if n % 5]
    wait_until(lambda: [n for n, s in kit.states().items() if s == "completed"] == others)
    assert not writing.written()
    kit.conn.execute("DROP TRIGGER trouble ON actorq.job")
    writing.wait_for_all(1)
