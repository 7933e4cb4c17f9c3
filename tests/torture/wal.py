"""Read the server's log of changes, as text from test_decoding, one transaction at a time."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

Row = dict[str, str | None]

TABLES = (
    "job", "ready", "lease", "node", "change", "unique_key", "lane", "series", "minute",
)  # fmt: skip
_CHANGE = re.compile(r"table actorq\.(\w+): (INSERT|UPDATE|DELETE): (.*)", re.DOTALL)
_COLUMN = re.compile(r"(\w+)\[[^:]*\]:('(?:[^']|'')*'|[^ ]+)")
_LINE = re.compile(r"BEGIN (\d+)|COMMIT (\d+)|table |message")


@dataclass(slots=True)
class Change:
    """Hold one row that was inserted, updated (as it is now) or deleted (its key)."""

    table: str
    verb: str
    row: Row


@dataclass(slots=True)
class Transaction:
    """Hold what one committed transaction changed; `place` counts them in commit order."""

    xid: int
    place: int
    changes: list[Change] = field(default_factory=list)


def parse(line: str) -> Change | None:
    """Return the change that a line tells of; None for tables that do not matter here."""
    match = _CHANGE.match(line)
    if match is None or match[1] not in TABLES:
        return None
    text = match[3]
    if match[2] == "UPDATE" and text.startswith("old-key:"):
        text = text.split(" new-tuple:", 1)[1]
    return Change(match[1], match[2], {name: _value(v) for name, v in _COLUMN.findall(text)})


def _value(text: str) -> str | None:
    if text == "null":
        return None
    return text[1:-1].replace("''", "'") if text.startswith("'") else text


def lines(file: Iterable[str]) -> Iterator[str]:
    """Yield whole entries: a text value may hold line breaks."""
    entry = ""
    for line in file:
        if entry and _LINE.match(line):
            yield entry
            entry = ""
        entry += line
    if entry:
        yield entry


def transactions(file: Iterable[str]) -> Iterator[Transaction]:
    """Yield every transaction once, in commit order.

    After a lost connection the server sends again what it does not know to have arrived: the
    half of a transaction is dropped, and one that was read before is left out.
    """
    seen: set[int] = set()
    current: Transaction | None = None
    for line in lines(file):
        text = line.rstrip("\n")
        if text.startswith("BEGIN "):
            current = Transaction(int(text[6:]), len(seen))
        elif text.startswith("COMMIT "):
            if current is not None and current.xid not in seen and current.xid == int(text[7:]):
                seen.add(current.xid)
                yield current
            current = None
        elif current is not None and current.xid not in seen:
            change = parse(text)
            if change is not None:
                current.changes.append(change)
