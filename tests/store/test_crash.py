"""A server that is killed: it may forget a claim, but never an outcome."""

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import Iterator

import pytest

from actorq import embedded
from actorq.errors import StoreUnavailable
from actorq.store.schema.migrate import migrate
from actorq.store.session.faults import remedy
from tests.store.kit import Kit, as_node, done
from tests.support.server import HOMES
from tests.support.wait import wait_until

# Nothing but a commit that waits for the disk brings the log there: a claim is surely lost.
SETTINGS = {"wal_writer_delay": "10s", "autovacuum": "off"}


@pytest.fixture
def crashing() -> Iterator[embedded.Server]:
    """Return a durable server of this test's own."""
    HOMES.mkdir(mode=0o711, exist_ok=True)
    with embedded.start(HOMES / uuid.uuid4().hex[:12], settings=SETTINGS) as server:
        migrate(server.dsn)
        yield server
    embedded.remove(server.home)


def crash(server: embedded.Server) -> None:
    """Kill the server at once and start it again."""
    pid = server.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: server.pid is None, what="the server to be gone")
    server.ensure()


def test_a_forgotten_claim_returns_its_jobs_and_its_outcomes_are_void(
    crashing: embedded.Server,
) -> None:
    kit = Kit(crashing.dsn)
    ids = kit.enqueue(4)
    lost = kit.batch(1)
    assert lost.ids == ids
    crash(crashing)
    with pytest.raises(StoreUnavailable) as caught:
        kit.store.beat()
    assert remedy(caught.value) == "reconnect"
    kit.close()
    after = Kit(crashing.dsn)
    after.check_places()
    assert after.one("SELECT count(*) FROM actorq.lease") == 0, "the claim was on disk already"
    assert after.claim(1).n_taken == len(ids)
    assert as_node(after.store, kit.node).settle(1, [done(lost)]).leases == set()
    assert set(after.states().values()) == {"running"}
    after.check_places()
    after.close()


def test_an_outcome_that_was_acknowledged_is_still_there(crashing: embedded.Server) -> None:
    kit = Kit(crashing.dsn)
    ids = kit.enqueue(4)
    settled = kit.store.settle(1, [done(kit.batch(1))])
    assert settled.leases == {1}
    kit.close()
    crash(crashing)
    after = Kit(crashing.dsn)
    assert after.states() == dict.fromkeys(ids, "completed")
    assert as_node(after.store, kit.node).settle_no(1) == 1
    after.check_places()
    after.close()
