"""The migrations that this version brings: a folder for each number, a file for each step.

The header of a file says what it does, and three things on which `migrate` and its plan rely:

    -- Phase: expand.                         or: contract, for code from 7 on.
    -- Runs: in a transaction.                or: on its own.
    -- Locks: kind in ACCESS EXCLUSIVE.       or: none.

After an *expand*, supervisors and clients of all versions continue as before. A *contract* removes
what only code before the given number still needs. A step in a transaction takes milliseconds,
because it changes the catalog and no rows. A step on its own is one statement that cannot run in a
transaction, such as CREATE INDEX CONCURRENTLY. What was released is never edited:
tests/store/test_frozen.py says what to do instead.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import Literal, NamedTuple

MigrationPhase = Literal["expand", "contract"]

FIRST_CODE = 1
"""The code that an expand requires: any, since all code knows 0001."""

_PHASE = re.compile(r"^-- Phase: (?:(expand)|contract, for code from (\d+) on)\.$", re.M)
_RUNS = re.compile(r"^-- Runs: (in a transaction|on its own)\.$", re.M)
_LOCKS = re.compile(r"^-- Locks: (.+)\.$", re.M)
_LOCK = re.compile(
    r"(\w+) in ((?:ACCESS|ROW|SHARE UPDATE|SHARE ROW) (?:SHARE|EXCLUSIVE)|SHARE|EXCLUSIVE)"
)


class Lock(NamedTuple):
    """A lock on a table, which is held until the step is done."""

    table: str
    mode: str


class MigrationStep(NamedTuple):
    """One file of SQL, run as a whole: in a transaction or, as one statement, on its own."""

    name: str
    text: str
    is_alone: bool = False
    locks: tuple[Lock, ...] = ()


class Migration(NamedTuple):
    """A numbered change of the schema, and the oldest code that can work with it."""

    n: int
    name: str
    min_code: int
    steps: tuple[MigrationStep, ...]

    @property
    def phase(self) -> MigrationPhase:
        """Return whether it only adds, or takes something away from older code."""
        return "expand" if self.min_code == FIRST_CODE else "contract"


@cache
def migrations() -> tuple[Migration, ...]:
    """Return every migration that this version of actorq knows, in order."""
    folders = sorted((files(__package__) / "migrations").iterdir(), key=lambda folder: folder.name)
    found = tuple(
        parsed(
            folder.name,
            {
                file.name.removesuffix(".sql"): file.read_text("utf-8")
                for file in folder.iterdir()
                if file.name.endswith(".sql")
            },
        )
        for folder in folders
        if folder.name[:4].isdecimal()
    )
    if any(after.n != before.n + 1 for before, after in pairwise(found)):
        raise ValueError("the number of a migration is missing, or there twice")
    return found


def parsed(name: str, texts: dict[str, str]) -> Migration:
    """Return the migration in files of these names and texts; ValueError for a bad header."""
    codes = {_min_code(f"{name}/{step}", text) for step, text in texts.items()}
    if len(codes) != 1:
        raise ValueError(f"migration {name}: all of its files need the same line Phase")
    steps = tuple(_step(f"{name}/{step}", step, texts[step]) for step in sorted(texts))
    return Migration(int(name[:4]), name, codes.pop(), steps)


def _min_code(place: str, text: str) -> int:
    is_expand, code = _found(_PHASE, place, text).groups()
    return FIRST_CODE if is_expand else int(code)


def _step(place: str, name: str, text: str) -> MigrationStep:
    declared = _found(_LOCKS, place, text)[1]
    locks = tuple(Lock(*found.groups()) for found in _LOCK.finditer(declared))
    if declared != (", ".join(f"{table} in {mode}" for table, mode in locks) or "none"):
        raise ValueError(f"migration {place}: its line Locks cannot be read: {declared}")
    return MigrationStep(name, text, _found(_RUNS, place, text)[1] == "on its own", locks)


def _found(pattern: re.Pattern[str], place: str, text: str) -> re.Match[str]:
    found = pattern.search(text)
    if found is None:
        raise ValueError(f"migration {place}: no line in its header matches {pattern.pattern}")
    return found
