"""A directory for a server that its user may enter, removed with the server in it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from actorq import embedded


@pytest.fixture
def place() -> Iterator[Path]:
    """Return an empty directory that every user may enter (pytest's own are private)."""
    path = Path(tempfile.mkdtemp(prefix="actorq embedded "))
    path.chmod(0o711)
    yield path
    for entry in path.iterdir():
        if entry.is_dir():
            embedded.remove(entry)
    shutil.rmtree(path)


@pytest.fixture
def home(place: Path) -> Path:
    """Return where a server may live, its path with a space in it."""
    return place / "server"
