"""A link that cannot connect says why, once for each reason."""

from __future__ import annotations

from typing import Any

import pytest

from actorq.core import event
from actorq.errors import StoreUnavailable
from actorq.store.queue.queue import QueueStore
from actorq.supervisor.ends import Stopping
from actorq.supervisor.threads import store_thread


class Lost(store_thread.StoreThread):
    """Lose the first connection at once, and leave by the second."""

    n_lost = 0

    def work(self, store: QueueStore) -> None:
        self.n_lost += 1
        if self.n_lost == 2:
            raise Stopping
        raise StoreUnavailable("gone")


class Store:
    def close(self) -> None:
        pass


def test_each_reason_why_a_link_cannot_connect_is_told_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(store_thread, "FIRST_WAIT_S", 0.001)
    script = [
        "starting",
        "starting",
        None,
        "gone",
        "refused",
        "refused",
        "password",
        "refused",
        None,
    ]
    posted: list[Any] = []

    def open_(_: str) -> Any:
        error = script.pop(0)
        if error:
            raise StoreUnavailable(error)
        return Store()

    Lost("claimer", open_, posted.append).run()
    told = [p.error if isinstance(p, event.ConnectionLost) else "restored" for p in posted]
    assert told == ["starting", "restored", "gone", "refused", "password", "restored"]
