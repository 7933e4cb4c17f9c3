"""Where the network falls silent in the middle, every call ends at its own deadline."""

from __future__ import annotations

import pytest

import actorq
from actorq.core.ask import Ask
from actorq.errors import StoreUnavailable
from actorq.store.claims import MANY
from actorq.store.connection import Session
from actorq.store.queue import QueueStore
from tests.store.kit import Kit
from tests.support.network import Network


def test_a_supervisors_calls_end(kit: Kit, network: Network) -> None:
    store = QueueStore.connect(network.dsn, name="test", deadline_s=0.2)
    network.silence("test")
    with pytest.raises(StoreUnavailable, match="no answer from the database"):
        store.beat(kit.node)
    assert not store.alive
    store.close()


def test_a_claim_in_turn_ends(kit: Kit, network: Network) -> None:
    """It is sent as a pipeline, of which the end must be waited for as well."""
    store = QueueStore.connect(network.dsn, name="test", deadline_s=0.2)
    store._turns.brought(kit.lane, MANY)
    network.silence("test")
    with pytest.raises(StoreUnavailable, match="no answer from the database"):
        store.claim(Ask(kit.lane, 10, kit.node, 1))
    assert not store.alive
    store.close()


def test_a_clients_calls_end(network: Network) -> None:
    with actorq.App(network.dsn) as app:
        kind = app.kind("k")
        for call in (lambda: kind.enqueue({}), lambda: kind.enqueue_many([{}] * 20_000)):
            with app.client.connections.lent() as conn:
                assert isinstance(conn, Session)
                conn.deadline_s = 0.2
            network.silence("client")
            with pytest.raises(StoreUnavailable, match="may or may not have been enqueued"):
                call()
