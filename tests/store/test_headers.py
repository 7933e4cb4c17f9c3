"""Each statement's header says what it takes, which rows it locks and which index it goes by."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from actorq.store.session.statements import SQL

FILES = sorted(SQL.glob("*/*.sql"))


def numbers(text: str) -> set[int]:
    """Return the parameters that a text names, singly or as in `$8 to $19`."""
    found = {int(n) for n in re.findall(r"\$(\d+)", text)}
    for low, high in re.findall(r"\$(\d+) to \$(\d+)", text):
        found.update(range(int(low), int(high)))
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_header_names_parameters_locks_and_indexes(file: Path) -> None:
    header = re.match(r"(--.*\n)+", file.read_text("utf-8"))
    assert header
    assert "Locks: " in header[0]
    assert "Index: " in header[0]
    assert numbers(header[0]) == numbers(file.read_text("utf-8")[header.end() :])
