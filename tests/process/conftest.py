from __future__ import annotations

import pytest

from tests.process.support import troupe


@pytest.fixture
def actors():
    with troupe() as it:
        yield it
