"""A supervisor that others have declared dead starts over, and leaves its old life behind."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

import actorq
from actorq.core import event
from actorq.core import inputs as i
from actorq.core.ask import Claimed
from actorq.core.event import Event
from actorq.errors import StoreUnavailable
from actorq.events import Events
from actorq.supervisor import engine as engine_module
from actorq.supervisor.engine import Engine
from actorq.supervisor.options import RunOptions
from tests.supervisor.handlers import nothing
from tests.support.wait import wait_until


class Running:
    """Run a supervisor in a thread of the test's own process."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self.app = actorq.App(dsn)
        self.app.actor("nothing")(nothing)
        self.told: list[Event] = []
        options = RunOptions.of(self.app, ttl_s=1.0, poll_s=0.02)
        self.engine = Engine(options, Events(self.told.append))
        self.codes: list[int] = []
        self.thread = threading.Thread(target=lambda: self.codes.append(self.engine.run()))
        self.thread.start()
        self.wait_until_told(event.SupervisorStarted)

    def wait_until_told(self, kind: type[Event], n: int = 1) -> None:
        wait_until(lambda: sum(isinstance(e, kind) for e in self.told) >= n, 30)

    def declare_dead(self) -> None:
        """Do what another supervisor does that has seen nothing of this one for its ttl."""
        with psycopg.connect(self.dsn, autocommit=True) as conn:
            conn.execute("DELETE FROM actorq.node")

    def completes_a_job(self) -> bool:
        job = self.app.enqueue("nothing")
        return bool(wait_until(lambda: job.state() == "completed", 30))

    def stop(self) -> None:
        self.engine.stop()
        self.thread.join(30)


@pytest.fixture
def running(dsn: str) -> Iterator[Running]:
    running = Running(dsn)
    yield running
    running.stop()
    running.app.close()


def test_what_was_said_to_the_old_life_does_not_reach_the_new_one(running: Running) -> None:
    running.wait_until_told(event.ActorReady)
    old = running.engine._inbox
    running.declare_dead()
    running.wait_until_told(event.SupervisorDisowned)
    old.put(i.Claimed(1, 10**6, Claimed(None, 0, {}), 0.0))
    assert running.completes_a_job()
    running.stop()
    assert running.codes == [0]


def test_a_database_that_is_away_delays_the_new_life(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    running.wait_until_told(event.ActorReady)
    open_, refused = engine_module._open, []

    def refusing(options: RunOptions, name: str) -> Any:
        if name == "actorq start" and len(refused) < 2:
            refused.append(name)
            raise StoreUnavailable("away")
        return open_(options, name)

    monkeypatch.setattr(engine_module, "_open", refusing)
    running.declare_dead()
    running.wait_until_told(event.SupervisorDisowned)
    assert len(refused) == 2
    assert running.completes_a_job()
