"""A supervisor needs nothing of its executor but what `supervisor.executor` says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import psutil
import psycopg

import actorq
from actorq.core.event import ActorExited, Event
from actorq.core.job.model import ClaimedBatch, ErrorInfo
from actorq.core.plan import effects as e
from actorq.core.plan import inputs as i
from actorq.dsn import Place
from actorq.events import Events
from actorq.supervisor.engine import Engine
from actorq.supervisor.executor import ActorEffect
from tests.supervisor.handlers import number

DEAD = ErrorInfo("ActorDied", "the actor has left the stage", cause="exit")


class AtOnce:
    """Actors that are no processes: each answers for a batch in the call that brings it.

    A negative number ends its actor, an odd one fails.
    """

    def __init__(self, kinds: Sequence[Any], place: Place, post: Callable[[object], None]) -> None:
        self.post = post
        self.taken: dict[int, int] = {}
        self.closed = False

    guardian = None

    def start(self) -> None:
        """Prepare nobody: that is allowed."""

    def perform(self, effect: ActorEffect) -> None:
        match effect:
            case e.Spawn(actor):
                self.taken[actor] = 0
                self.post(i.Ready(actor))
            case e.Send(actor, batch) if actor in self.taken:
                self._run(actor, batch)
            case e.StopActor(actor) | e.KillActor(actor) if actor in self.taken:
                self._die(actor, 0, [])

    def _run(self, actor: int, batch: ClaimedBatch) -> None:
        numbers = msgspec.json.decode(b"[" + b",".join(map(bytes, batch.args)) + b"]")
        self.taken[actor] = batch.lease
        for position, n in enumerate(each["n"] for each in numbers):
            if n < 0:
                self._die(actor, batch.lease, [position])
                return
            if n % 2:
                self.post(i.HandlerFailed(actor, batch.lease, ErrorInfo("Odd", str(n)), [position]))
                return
            self.post(i.Outcomes(actor, batch.lease, [position]))
        self.post(i.Outcomes(actor, batch.lease, last=True))

    def _die(self, actor: int, lease: int, begun: list[int]) -> None:
        del self.taken[actor]
        self.post(i.ActorDied(actor, DEAD, lease, begun))

    def progress(self) -> i.Tick:
        return i.Tick({actor: lease for actor, lease in self.taken.items() if lease})

    def pids(self) -> dict[int, int]:
        return {}

    def close(self) -> None:
        self.closed = True


def test_a_supervisor_drains_through_any_executor(dsn: str, direct: psycopg.Connection) -> None:
    app, told, made = actorq.App(dsn), list[Event](), list[AtOnce]()
    app.actor("number", max_batch=7, max_attempts=1, retry=0.0)(number)
    app.enqueue_many("number", [2 * n for n in range(200)] + [31, 33, -2])

    def make(*args: Any) -> AtOnce:
        made.append(AtOnce(*args))
        return made[0]

    options = app.run_options(poll_s=0.02, until_final=True)
    code = Engine(options, Events(told.append), make).run()
    app.close()
    rows = direct.execute("SELECT state::text, n_failed, n_crashed FROM actorq.job").fetchall()
    assert Counter(rows) == {
        ("completed", 0, 0): 200, ("failed", 1, 0): 2, ("failed", 0, 1): 1,
    }  # fmt: skip
    assert (code, made[0].closed) == (1, True), "jobs have failed"
    assert {event.exit for event in told if isinstance(event, ActorExited)} == {DEAD.message}
    assert not [p for p in psutil.Process().children() if p.name().startswith("actorq number")]
