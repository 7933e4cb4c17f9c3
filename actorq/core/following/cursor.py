"""How far somebody has read: the last number of each series, and what had been counted by then."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from actorq.errors import ConfigError

N_OUTCOMES = 5
Counted = list[int]
"""How many jobs came to each outcome, in the order of `change.counts`."""


class Read(msgspec.Struct):
    """How far a series is read: its last number, and the jobs counted by all changes up to it."""

    no: int = 0
    counted: Counted = msgspec.field(default_factory=lambda: [0] * N_OUTCOMES)

    def read(self, no: int, counts: Iterable[Iterable[int]]) -> None:
        """Go on behind one more change, which has counted so many jobs in each lane."""
        self.no = no
        for numbers in counts:
            self.count(numbers)

    def count(self, numbers: Iterable[int]) -> None:
        """Add the counts of one lane."""
        self.counted = [before + n for before, n in zip(self.counted, numbers, strict=True)]

    def skip(self, no: int, counted: Counted) -> Counted:
        """Go on behind what was dropped; return how many jobs of each outcome that skips."""
        missed = [now - before for now, before in zip(counted, self.counted, strict=True)]
        self.no, self.counted = no, list(counted)
        return missed


class Cursor(msgspec.Struct):
    """How far somebody has read the changes and the supervisors' events of one schema.

    `schema` names the schema by when it was made, `at` is when the cursor was last moved, in
    seconds of the database's clock. A series is named `SOURCE/PARITY`. Of changes that are read in
    part, named `SOURCE/NUMBER`, `partly` holds how many of their events were: of each outcome, and
    of those that are not counted.
    """

    schema: str
    at: float
    since: float = 0.0  # what had begun before is not told
    series: dict[str, Read] = {}
    told: dict[str, int] = {}  # node → number of its last event
    partly: dict[str, Counted] = {}

    def series_of(self, source: str, parity: int) -> Read:
        """Return how far a series is read; it is new if it is not known."""
        return self.series.setdefault(f"{source}/{parity}", Read())

    def part_of(self, source: str, no: int) -> Counted:
        """Return how many events of a change were taken, to be counted up with each one more."""
        return self.partly.setdefault(f"{source}/{no}", [0] * (N_OUTCOMES + 1))

    def take_all(self, source: str, no: int, at: float, counts: Iterable[Iterable[int]]) -> None:
        """Go on behind a change."""
        self.series_of(source, no % 2).read(no, counts)
        self.partly.pop(f"{source}/{no}", None)
        self.at = at

    def skip(self, source: str, no: int, parity: int, counted: Counted) -> Counted:
        """Go on behind what was dropped; return how many jobs of each outcome were not taken."""
        read = self.series_of(source, parity)
        for key in [key for key in self.partly if key.startswith(f"{source}/")]:
            number = int(key.rsplit("/", 1)[1])
            if number % 2 == parity and number <= no:
                read.count(self.partly.pop(key)[:N_OUTCOMES])
        return read.skip(no, counted)

    def hear(self, node: str, no: int) -> None:
        """Go on behind an event of a supervisor."""
        self.told[node] = no

    def text(self) -> str:
        """Return the cursor as a line of text."""
        return msgspec.json.encode(self).decode()


def parsed(text: str) -> Cursor:
    """Return the cursor that a text says; raises ConfigError if it is none."""
    try:
        return msgspec.json.decode(text, type=Cursor)
    except (msgspec.MsgspecError, TypeError) as exc:
        raise ConfigError(
            f"since: this is not a cursor of a follower ({exc}): give what `cursor` returned"
        ) from None
