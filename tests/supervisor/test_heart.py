"""The heart goes on where somebody's lock or a cancelled statement gets in its way."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from actorq.core import event
from actorq.core import inputs as i
from actorq.core.ask import NodeInfo, NodeSeen, Reaped
from actorq.errors import StoreError, StoreUnavailable
from actorq.store.faults import Contended, Forbidden, LockTimeout, TooSlow
from actorq.supervisor.heart import Heart
from actorq.supervisor.link import Fatal
from tests.support.wait import wait_until

ME = NodeInfo("me", "here", 1, ttl_s=0.5)


class Store:
    """Answer as the database would, with one error for each call named."""

    def __init__(self, trouble: dict[str, StoreError], nodes: list[NodeSeen]) -> None:
        self.trouble = trouble
        self._nodes = nodes
        self.buried: list[str] = []

    def _meet(self, call: str) -> None:
        error = self.trouble.pop(call, None)
        if error is not None:
            raise error

    def beat(self, node: str) -> list[int]:
        self._meet("beat")
        return []

    def nodes(self) -> list[NodeSeen]:
        self._meet("nodes")
        return [node for node in self._nodes if node.id not in self.buried]

    def bury(self, node: str, beat_at: int) -> bool:
        self._meet(f"bury {node}")
        self.buried.append(node)
        return True

    def reap(self, *_: int) -> Reaped:
        self._meet("reap")
        return Reaped(0, 0, 0, 0)

    def close(self) -> None:
        self._meet("close")


def run(store: Store, until: Callable[[list[Any]], object]) -> list[Any]:
    """Let a heart beat until something is true of what it has posted."""
    posted: list[Any] = []
    heart = Heart(ME, lambda _: store, posted.append)  # type: ignore[arg-type,return-value]
    heart.start()
    try:
        wait_until(lambda: until(posted))
    finally:
        heart.stop()
        heart.join(10)
    return posted


def beats(posted: list[Any]) -> int:
    return sum(isinstance(p, i.Beaten) for p in posted)


def silent(id_: str) -> NodeSeen:
    """Return a node that never beats again and is dead at once for it."""
    return NodeSeen(id_, "elsewhere", 1, 0.0, None, None, None, 0)


@pytest.mark.parametrize("error", [LockTimeout("locked"), TooSlow("cancelled"), Contended("x")])
@pytest.mark.parametrize("call", ["beat", "nodes", "reap"])
def test_a_call_that_failed_for_now_is_made_again(call: str, error: StoreError) -> None:
    store = Store({call: error}, [])
    posted = run(store, lambda posted: not store.trouble and beats(posted) >= 2)
    assert not [p for p in posted if not isinstance(p, i.Beaten)]


def test_a_node_that_is_locked_does_not_keep_others_from_being_buried() -> None:
    store = Store({"bury one": LockTimeout("locked")}, [silent("one"), silent("two")])
    run(store, lambda _: len(store.buried) == 2)
    assert store.buried == ["two", "one"]


def test_a_lost_connection_is_made_anew_and_reported() -> None:
    store = Store({"nodes": StoreUnavailable("gone")}, [])
    posted = run(store, lambda posted: beats(posted) >= 2)
    assert any(isinstance(p, event.ConnectionLost) for p in posted)


def test_a_statement_that_can_never_run_is_fatal() -> None:
    posted = run(Store({"beat": Forbidden("no rights")}, []), lambda posted: posted)
    assert isinstance(posted[0], Fatal)


def test_after_an_outage_a_heart_is_back_well_before_others_take_it_for_dead() -> None:
    """They count its silence from the moment at which they are back themselves."""
    waits: list[float] = []

    class Waits(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            waits.append(timeout or 0.0)
            return super().wait(0.0)

    def refuse(_: str) -> Store:
        if len(waits) == 20:
            heart.stop()
        raise StoreUnavailable("away")

    heart = Heart(ME, refuse, lambda _: None)  # type: ignore[arg-type]
    heart.stopping = Waits()
    heart.run()
    assert max(waits) < ME.ttl_s / 2
