"""A retry function of a user's that fails is heard of, once for each error."""

from __future__ import annotations

from typing import Any

from actorq.core import event
from actorq.core.job.policy import KindPolicy
from actorq.core.job.retry import DEFAULT, delay_s
from actorq.supervisor.retries import told
from tests.supervisor.support import Running

REPLIES: dict[int, Any] = {1: 1.0, 2: ValueError("no"), 3: "soon"}


def broken(n_failed: int) -> Any:
    reply = REPLIES[n_failed]
    if isinstance(reply, Exception):
        raise reply
    return reply


def test_each_error_is_told_once_and_the_default_serves() -> None:
    seen: list[event.Event] = []
    retry = told(KindPolicy(name="k", retry=broken), seen.append).retry
    for n in (1, 2, 2, 3, 3):
        assert delay_s(retry, n, 0.5) == (1.0 if n == 1 else delay_s(DEFAULT, n, 0.5))
    assert seen == [
        event.RetryFunctionFailed("k", "it raised ValueError('no')"),
        event.RetryFunctionFailed("k", "it returned 'soon', not a number of seconds"),
    ]


def test_a_policy_without_a_function_stays_as_it_is() -> None:
    policy = KindPolicy(name="k", retry=[1, 2])
    assert told(policy, lambda _: None) is policy


def test_a_supervisor_tells_of_it(dsn: str) -> None:
    running = Running(dsn, retry=lambda n: 0.0 if n == 1 else "soon")
    running.app.enqueue("failing")
    running.wait_until_told(event.RetryFunctionFailed)
    running.stop()
