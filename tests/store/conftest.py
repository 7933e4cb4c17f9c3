"""Fixtures of the store's tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.store.kit import Kit


@pytest.fixture
def kit(dsn: str) -> Iterator[Kit]:
    """Return a kit on a database of this test's own."""
    kit = Kit(dsn)
    yield kit
    kit.close()
