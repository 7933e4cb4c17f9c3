"""What glibc is told about large buffers, and by whom it may be told otherwise."""

from __future__ import annotations

import ctypes
from types import SimpleNamespace
from typing import Any

import pytest

from actorq.pipe.memory import keep_buffers


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Return what the C library is told instead of telling it."""
    told: list[tuple[int, int]] = []
    libc: Any = SimpleNamespace(mallopt=lambda *option: told.append(option))
    monkeypatch.setattr(ctypes, "CDLL", lambda _: libc)
    for name in ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"):
        monkeypatch.delenv(name, raising=False)
    return told


def test_freed_buffers_are_kept(told: list[tuple[int, int]]) -> None:
    keep_buffers()
    assert told == [(-1, 64 << 20), (-3, 32 << 20)]


@pytest.mark.parametrize("name", ["MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"])
def test_the_environment_has_the_last_word(
    told: list[tuple[int, int]], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "131072")
    keep_buffers()
    assert told == []


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: SimpleNamespace())
    keep_buffers()
