"""Let the simulator run at its own pace."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _few_collections() -> Iterator[None]:
    """Every world is a thousand small objects: looking through all of pytest's is most of it."""
    gc.freeze()
    yield
    gc.unfreeze()
