"""A supervisor in a thread of the test's own process."""

from __future__ import annotations

import threading
from typing import Any

import psycopg

import actorq
from actorq.core import event
from actorq.core.event import Event
from actorq.events import Events
from actorq.supervisor.engine import Engine
from tests.supervisor.handlers import failing, nothing
from tests.support.wait import wait_until


class Running:
    """Run a supervisor in a thread of the test's own process."""

    def __init__(self, dsn: str, ttl_s: float = 1.0, through: str = "", retry: Any = 0) -> None:
        self.dsn = dsn
        self.app = actorq.App(through or dsn)
        self.app.actor("nothing")(nothing)
        self.app.actor("failing", retry=retry)(failing)
        self.told: list[Event] = []
        options = self.app.run_options(ttl_s=ttl_s, poll_s=0.02)
        self.engine = Engine(options, Events(self._hear))
        self.heard = threading.Event()  # not set: the engine is stuck in telling something
        self.heard.set()
        self.codes: list[int] = []
        self.thread = threading.Thread(target=lambda: self.codes.append(self.engine.run()))
        self.thread.start()
        self.wait_until_told(event.SupervisorStarted)

    def wait_until_told(self, kind: type[Event], n: int = 1) -> None:
        wait_until(lambda: sum(isinstance(e, kind) for e in self.told) >= n, 30)

    def _hear(self, told: Event) -> None:
        self.told.append(told)
        self.heard.wait(60)

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
        self.app.close()
