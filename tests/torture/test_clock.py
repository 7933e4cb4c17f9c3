"""A clock that lies is off by up to an hour, and by something else every few seconds."""

from __future__ import annotations

import time

import pytest

from tests.torture import clock


def test_a_skewed_clock_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    monkeypatch.setattr(time, "time", lambda: 1_000_000.0)
    monkeypatch.setattr(time, "time_ns", time.time_ns)
    clock.skew(seed=1)
    told = set()
    for step in range(20):
        now = step * clock.STEP_S
        told.add(time.time())
        assert time.time_ns() // 10**9 == int(time.time())
    assert len(told) == 20
    assert max(told) - min(told) > clock.OFF_S / 2
    assert all(abs(t - 1_000_000) <= clock.OFF_S for t in told)
