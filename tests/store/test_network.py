"""Where the network falls silent in the middle, every call ends at its own deadline."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

import actorq
from actorq.core.job.model import Settlement
from actorq.core.lanes.claim_turns import MANY
from actorq.core.plan.effects import Claim
from actorq.errors import StoreUnavailable
from actorq.store.queue.queue import QueueStore
from actorq.store.session.connection import Session
from tests.store.kit import Kit
from tests.support.network import Network


def beats(store: QueueStore, kit: Kit) -> object:
    return store.beat()


def settles(store: QueueStore, kit: Kit) -> object:
    return store.settle(1, [Settlement(1, 0, {0: [1]}, [])])


def claims(store: QueueStore, kit: Kit) -> object:
    return store.claim(Claim(kit.lane, 1, 10))


def claims_in_turn(store: QueueStore, kit: Kit) -> object:
    """Claim by a pipeline, of which the end must be waited for as well."""
    store._turns.brought(kit.lane, MANY)
    store._turns.met(kit.lane, time.monotonic())
    return claims(store, kit)


@pytest.mark.parametrize("call", [beats, settles, claims, claims_in_turn])
@pytest.mark.parametrize("prepared", [False, True])
def test_a_supervisors_calls_end(
    kit: Kit, network: Network, call: Callable[[QueueStore, Kit], object], prepared: bool
) -> None:
    store = QueueStore.connect(network.dsn, name="test", node=kit.node, deadline_s=2.0)
    if prepared:
        call(store, kit)
    store._session.deadline_s = 0.2
    network.silence("test")
    with pytest.raises(StoreUnavailable, match="no answer from the database"):
        call(store, kit)
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
