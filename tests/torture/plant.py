"""What a planted bug is: texts of the package to be replaced, and who must notice."""

from __future__ import annotations

from dataclasses import dataclass

from actorq.store.session.statements import SQL

Patch = tuple[str, str, str]
"""A file of the package, a text that is there exactly once, and what is put in its place."""


@dataclass(frozen=True)
class Plant:
    """Describe one bug; `caught_by` is `torture`, or what to give to pytest."""

    name: str
    caught_by: str
    patches: tuple[Patch, ...]


def sql(file: str, old: str, new: str) -> Patch:
    """Return a patch of a statement."""
    (path,) = SQL.glob(f"*/{file}.sql")
    return f"store/sql/{path.parent.name}/{path.name}", old, new
