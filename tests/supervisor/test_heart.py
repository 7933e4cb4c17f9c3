"""The heart goes on where somebody's lock or a cancelled statement gets in its way."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from actorq.core import event
from actorq.core.plan import inputs as i
from actorq.core.store_values import NodeInfo, NodeSeen, Reaped
from actorq.errors import RowRefused, StoreError, StoreUnavailable
from actorq.store.queue.queue import Key, QueueStore
from actorq.store.session.faults import Contended, Forbidden, LockTimeout, TooSlow, translated
from actorq.supervisor.duties import sweep_keys, vacuum, watch
from actorq.supervisor.duties.beat import BEATS_PER_TTL
from actorq.supervisor.ends import Fatal
from actorq.supervisor.threads import heart
from tests.support.wait import wait_until

ME = NodeInfo("me", "here", 1, ttl_s=0.5)
PATIENT = NodeInfo("me", "here", 1, ttl_s=5.0)


class Store:
    """Answer as the database would, with one error for each call named."""

    is_followed = is_watched = False

    def __init__(self, trouble: dict[str, StoreError], nodes: list[NodeSeen]) -> None:
        self.trouble = trouble
        self._nodes = nodes
        self.buried: list[str] = []
        self.vacuumed = self.n_read = 0
        self.swept: list[Key] = []

    def _meet(self, call: str) -> None:
        error = self.trouble.pop(call, None)
        if error is not None:
            raise error

    def beat(self) -> list[int]:
        self._meet("beat")
        return []

    def check_version(self) -> None:
        self._meet("check_version")

    def nodes(self) -> list[NodeSeen]:
        self._meet("nodes")
        self.n_read += 1
        return [node for node in self._nodes if node.id not in self.buried]

    def bury(self, node: str, beat_at: int) -> bool:
        self._meet(f"bury {node}")
        self.buried.append(node)
        return True

    def reap(self, *_: int) -> Reaped:
        self._meet("reap")
        return Reaped(0, 0, 0, 0)

    def vacuum_ready(self) -> None:
        self.vacuumed += 1
        self._meet("vacuum")

    def fold(self) -> int:
        return 0

    def sweep_keys(self, after: Key, limit: int) -> tuple[Key | None, int]:
        self.swept.append(after)
        self._meet("sweep")
        return (None, 0) if len(self.swept) > 2 else (("k", str(len(self.swept))), limit)

    def close(self) -> None:
        self._meet("close")


def run(store: Store, until: Callable[[list[Any]], object]) -> list[Any]:
    """Let a heart beat until something is true of what it has posted."""
    posted: list[Any] = []
    beating = heart.Heart(ME, lambda _: store, posted.append)  # type: ignore[arg-type,return-value]
    beating.start()
    try:
        wait_until(lambda: until(posted))
    finally:
        beating.stop()
        beating.join(10)
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


@pytest.mark.parametrize("call", ["beat", "nodes", "reap"])
def test_a_call_that_is_refused_is_reported(call: str) -> None:
    store = Store({call: RowRefused("a trigger says no")}, [])
    posted = run(store, lambda posted: not store.trouble and beats(posted) >= 2)
    told = [p for p in posted if not isinstance(p, i.Beaten)]
    assert told == [event.DutyFailed("heart", "a trigger says no")]


def test_a_node_that_is_locked_does_not_keep_others_from_being_buried() -> None:
    store = Store({"bury one": LockTimeout("locked")}, [silent("one"), silent("two")])
    run(store, lambda _: len(store.buried) == 2)
    assert store.buried == ["two", "one"]


def test_while_all_processes_of_this_host_live_the_table_of_nodes_is_read_rarely(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The table is read once a round of NODES_S, and at once when a process is gone."""
    monkeypatch.setattr(heart, "ROUND_S", 0.001)
    asked: list[int] = []
    alive = [True]

    def start_of(pid: int) -> str | None:
        asked.append(pid)
        return "then" if alive[0] else None

    monkeypatch.setattr(watch, "start_of", start_of)
    me = NodeInfo("me", "here", 1, 3600.0, "boot", "ns", "now")
    other = NodeSeen("one", "here", 2, 3600.0, "boot", "ns", "then", 0)
    store = Store({}, [other])
    beating = heart.Heart(me, lambda _: store, lambda _: None)  # type: ignore[arg-type,return-value]
    beating.start()
    try:
        wait_until(lambda: len(asked) > 50)
        assert store.n_read == 1
        alive[0] = False
        wait_until(lambda: store.buried == ["one"])
    finally:
        beating.stop()
        beating.join(10)


@pytest.mark.parametrize("n", [0, 2])
def test_other_supervisors_are_counted_and_oneself_is_not(n: int) -> None:
    living = [NodeSeen(id_, "elsewhere", 1, 3600.0, None, None, None, 0) for id_ in "ab"[:n]]
    me = NodeSeen(ME.id, ME.host, 1, 3600.0, None, None, None, 0)
    store = Store({}, [me, *living])
    beating = heart.Heart(ME, lambda _: store, lambda _: None)  # type: ignore[arg-type,return-value]
    beating._watch.n_others = -1
    beating.start()
    wait_until(lambda: beating.n_others >= 0)
    beating.stop()
    beating.join(10)
    assert beating.n_others == n


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
            beating.stop()
        raise StoreUnavailable("away")

    beating = heart.Heart(ME, refuse, lambda _: None)  # type: ignore[arg-type]
    beating.stopping = Waits()
    beating.run()
    assert max(waits) < ME.ttl_s / 2


@pytest.mark.parametrize("trouble", [{}, {"vacuum": TooSlow("cancelled")}])
def test_the_next_vacuum_waits_fifty_times_as_long_as_the_last_one_took(
    monkeypatch: pytest.MonkeyPatch, trouble: dict[str, StoreError]
) -> None:
    """It reads the whole backlog's index, and whatever a snapshot keeps it from removing."""
    now = 1000.0
    monkeypatch.setattr("actorq.supervisor.threads.heart.time.monotonic", lambda: now)

    class Slow(Store):
        def vacuum_ready(self) -> None:
            nonlocal now
            now += 2.0
            super().vacuum_ready()

    store: Any = Slow(trouble, [])
    beating = heart.Heart(ME, lambda _: store, lambda _: None)

    def vacuums_after(seconds: float, n_settled: int) -> int:
        nonlocal now
        now += seconds
        beating.n_settled += n_settled
        beating._round(store)
        return int(store.vacuumed)

    assert vacuums_after(0, vacuum.VACUUM_AFTER - 1) == 0
    assert vacuums_after(0, 1) == 1
    assert vacuums_after(99, vacuum.VACUUM_AFTER) == 1
    assert vacuums_after(2, vacuum.CALM) == 2
    assert vacuums_after(200, vacuum.VACUUM_AFTER - vacuum.CALM - 1) == 2
    assert vacuums_after(0, vacuum.CALM + 1) == 3
    assert vacuums_after(1, vacuum.VACUUM_AFTER) == 3
    assert vacuums_after(1, vacuum.CALM - 1) == 4  # the rush is over
    assert vacuums_after(200, 0) == 4


def test_a_long_statement_is_given_up_by_the_server_and_the_connection_stays(dsn: str) -> None:
    deadline_s, limit_s = heart.patience_s(1.0)
    store = QueueStore.connect(
        dsn, name="heart", node=ME.id, deadline_s=deadline_s, statement_timeout_s=limit_s
    )
    with pytest.raises(TooSlow), translated():
        store._session.execute("SELECT pg_sleep(60)")
    assert store.alive
    store.close()


def test_stale_keys_are_swept_at_once_while_there_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heart, "ROUND_S", 0.01)
    store = Store({}, [])
    run(store, lambda _: len(store.swept) == 3)
    assert store.swept == [("", ""), ("k", "1"), ("k", "2")]


def test_a_role_that_may_not_sweep_does_all_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep_keys, "SWEEP_S", 0.0)
    store = Store({"sweep": Forbidden("permission denied for table unique_key")}, [])
    posted = run(store, lambda posted: beats(posted) >= 3)
    assert len(store.swept) == 1
    told = [p for p in posted if not isinstance(p, i.Beaten)]
    assert told == [event.DutyFailed("heart", "permission denied for table unique_key")]


class Slow(Store):
    """Take three beats' time for each statement but the beat; the dead have left 1,000 leases."""

    def __init__(self, trouble: dict[str, StoreError]) -> None:
        super().__init__(trouble, [silent("one"), silent("two")])
        self.now = 1000.0
        self.beaten_at: list[float] = []
        self.n_reaps = 0

    def _meet(self, call: str) -> None:
        if call == "beat":
            self.beaten_at.append(self.now)
        else:
            self.now += 3 * PATIENT.ttl_s / BEATS_PER_TTL
        super()._meet(call)

    def reap(self, *_: int) -> Reaped:
        super().reap()
        self.n_reaps += 1
        return Reaped(100 if self.n_reaps < 11 else 0, 0, 0, 0)


@pytest.mark.parametrize("call", ["", "reap", "nodes", "bury one", "vacuum", "sweep"])
def test_it_beats_between_any_two_statements_that_take_long(
    call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    trouble: dict[str, StoreError] = {call: RowRefused("a trigger says no")}
    store: Any = Slow(trouble)
    monkeypatch.setattr("actorq.supervisor.threads.heart.time.monotonic", lambda: store.now)
    beating = heart.Heart(PATIENT, lambda _: store, lambda _: None)
    beating.n_settled = vacuum.VACUUM_AFTER
    for _ in range(3):
        beating._round(store)
        store.now += heart.ROUND_S
    assert store.buried
    assert store.vacuumed
    assert store.swept
    silences = [b - a for a, b in zip(store.beaten_at, store.beaten_at[1:], strict=False)]
    assert max(silences) < PATIENT.ttl_s, "others take it for dead"


@pytest.mark.parametrize("call", ["beat", "reap", "nodes", "vacuum"])
def test_a_duty_that_always_fails_keeps_no_other_from_being_done(
    call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing(Store):
        def _meet(self, name: str) -> None:
            if name == call:
                raise RowRefused("a trigger says no")

    store: Any = Failing({}, [silent("one")])
    beating = heart.Heart(ME, lambda _: store, lambda _: None)
    beating._round(store)
    assert call == "nodes" or store.buried
    assert store.swept
