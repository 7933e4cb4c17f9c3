"""A supervisor that others have declared dead starts over, and leaves its old life behind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from actorq.core import event
from actorq.core.plan import inputs as i
from actorq.core.store_values import ClaimReply
from actorq.errors import StoreError, StoreUnavailable
from actorq.store.session.faults import LockTimeout, TooSlow
from actorq.supervisor.options import RunOptions
from actorq.supervisor.threads import start
from tests.supervisor.support import Running


@pytest.fixture
def running(dsn: str) -> Iterator[Running]:
    running = Running(dsn)
    yield running
    running.stop()


def test_what_was_said_to_the_old_life_does_not_reach_the_new_one(running: Running) -> None:
    running.wait_until_told(event.ActorReady)
    old = running.engine._inbox
    running.declare_dead()
    running.wait_until_told(event.SupervisorDisowned)
    old.put(i.Claimed(1, 10**6, ClaimReply([], 0, {}), 0.0))
    assert running.completes_a_job()
    running.stop()
    assert running.codes == [0]


@pytest.mark.parametrize("error", [StoreUnavailable, LockTimeout, TooSlow])
def test_what_passes_delays_the_new_life(
    running: Running, monkeypatch: pytest.MonkeyPatch, error: type[StoreError]
) -> None:
    """A database that is away, somebody's lock, a statement that somebody has cancelled."""
    running.wait_until_told(event.ActorReady)
    open_ = start.open_store
    refused: list[str] = []

    def refusing(options: RunOptions, node: str, name: str, **timeouts: float) -> Any:
        if name == "actorq start" and len(refused) < 2:
            refused.append(name)
            raise error("not now")
        return open_(options, node, name, **timeouts)

    monkeypatch.setattr(start, "open_store", refusing)
    running.declare_dead()
    running.wait_until_told(event.SupervisorDisowned)
    assert len(refused) == 2
    assert running.completes_a_job()
