"""What changes count, against what became of jobs: in each transaction, and when it is folded.

Nothing may be counted that was not written, nothing written that is not counted, and each change is
folded into minutes exactly once, and dropped only after that.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from tests.torture.wal import Change, Row

OUTCOMES = ("completed", "failed", "retried", "snoozed", "cancelled")
Series = tuple[str, int]
"""A source, and the parity of its numbers."""

Counts = Counter[tuple[str, str]]
"""How many jobs of a kind came to an outcome."""


class Numbered:
    """A change, as it was committed; `place` counts them in this order."""

    __slots__ = ("at", "counts", "is_named", "no", "place", "source")

    def __init__(self, row: Row, place: int) -> None:
        self.source, self.no, self.place = row["source"] or "", int(row["no"] or 0), place
        self.counts: list[list[int]] = json.loads(row.get("counts") or "[]")
        self.at = row.get("at") or ""
        self.is_named = row.get("jobs") is not None

    @property
    def series(self) -> Series:
        """Return the series that it belongs to."""
        return self.source, self.no % 2

    def outcomes(self) -> Counter[str]:
        """Return how many jobs of all lanes came to each outcome."""
        found: Counter[str] = Counter()
        for _, *numbers in self.counts:
            found.update(dict(zip(OUTCOMES, numbers, strict=True)))
        return found


class Counting:
    """Follow what is counted; `break_` is told what is wrong."""

    def __init__(self, break_: Callable[[str, str], None]) -> None:
        self._break = break_
        self.became: Counts = Counter()  # of all jobs, without those that were snoozed
        self.changes: list[Numbered] = []  # all there ever were, in the order of their commits
        self._kinds: dict[int, str] = {}  # of each lane
        self._unfolded: dict[Series, list[Numbered]] = defaultdict(list)
        self._kept: dict[Series, dict[int, Numbered]] = defaultdict(dict)
        self._last: Counter[Series] = Counter()
        self._folded: Counter[Series] = Counter()
        self._dropped: dict[Series, Counter[str]] = defaultdict(Counter)
        self._minutes: dict[tuple[str, int, str], list[int]] = {}
        self._total: Counts = Counter()  # of all minutes, also of those that are deleted

    def take(
        self, rows: dict[str, list[Change]], became: Counts, n_uncharged: int, where: str
    ) -> None:
        """Take in one transaction; `became` is what became of jobs in it."""
        for change in rows.get("lane", ()):
            if change.verb == "INSERT":
                self._kinds[int(change.row["id"] or 0)] = change.row["kind"] or ""
        made = [self._made(c, where) for c in rows.get("change", ()) if c.verb == "INSERT"]
        self._compare(made, became, n_uncharged, where)
        self.became += became
        self._fold(rows.get("series", ()), rows.get("minute", ()), where)
        self._drop(rows.get("series", ()), rows.get("change", ()), where)

    def _made(self, change: Change, where: str) -> Numbered:
        made = Numbered(change.row, len(self.changes))
        self.changes.append(made)
        # A statement that is late by far finds nothing to write any more, and says so.
        if made.no <= self._last[made.series] and made.counts:
            text = f"change {made.no} of {made.source} comes after {self._last[made.series]}"
            self._break("disorder", f"{text} ({where})")
        self._last[made.series] = max(made.no, self._last[made.series])
        self._kept[made.series][made.no] = made
        self._unfolded[made.series].append(made)
        return made

    def _compare(self, made: list[Numbered], became: Counts, n_uncharged: int, where: str) -> None:
        counted = self._by_kind(row for change in made for row in change.counts)
        n_snoozed = sum(counted.pop(key) for key in list(counted) if key[1] == "snoozed")
        if counted != became or not 0 <= n_snoozed <= n_uncharged:
            what = f"{dict(counted)} and {n_snoozed} snoozed are counted"
            self._break("miscounted", f"{what}, but it was {dict(became)} ({where})")

    def _by_kind(self, counts: Iterable[list[int]]) -> Counts:
        found: Counts = Counter()
        for lane, *numbers in counts:
            kind = self._kinds.get(lane, f"lane {lane}")
            for name, n in zip(OUTCOMES, numbers, strict=True):
                if n:
                    found[kind, name] += n
        return found

    # ---- folding --------------------------------------------------------------------------

    def _fold(self, series: Iterable[Change], minutes: Iterable[Change], where: str) -> None:
        """What is added to the minutes is what the changes have counted that are folded now."""
        due: Counter[tuple[str, int, str]] = Counter()
        for row in (c.row for c in series if c.verb != "DELETE"):
            key = row["source"] or "", int(row["parity"] or 0)
            until = int(row["folded_no"] or 0)
            if until < self._folded[key]:
                self._break("miscounted", f"series {key} is folded again from {until} ({where})")
            for change in self._taken(key, until):
                for lane, *numbers in change.counts:
                    for name, n in zip(OUTCOMES, numbers, strict=True):
                        due[change.source, lane, name] += n
            self._folded[key] = max(until, self._folded[key])
        added: Counter[tuple[str, int, str]] = Counter()
        for minute in minutes:
            self._added(minute, added)
        if +due != +added or any(n < 0 for n in added.values()):
            text = f"the minutes got {dict(+added)} for changes that counted {dict(+due)}"
            self._break("miscounted", f"{text} ({where})")

    def _taken(self, key: Series, until: int) -> list[Numbered]:
        """Take what is folded now out of what is not."""
        some = self._unfolded[key]
        self._unfolded[key] = [change for change in some if change.no > until]
        return [change for change in some if change.no <= until]

    def _added(self, change: Change, added: Counter[tuple[str, int, str]]) -> None:
        row = change.row
        key = row["at"] or "", int(row["lane"] or 0), row["source"] or ""
        before = self._minutes.pop(key, [0] * len(OUTCOMES))
        if change.verb == "DELETE":
            return
        now = self._minutes[key] = [int(row[f"n_{name}"] or 0) for name in OUTCOMES]
        for name, old, new in zip(OUTCOMES, before, now, strict=True):
            added[key[2], key[1], name] += new - old
            self._total[self._kinds.get(key[1], f"lane {key[1]}"), name] += new - old

    def _drop(self, series: Iterable[Change], changes: Iterable[Change], where: str) -> None:
        """Only what is folded is dropped, from the beginning on, and the series tells how much."""
        for change in changes:
            if change.verb == "DELETE":
                self._drop_one(Numbered(change.row, 0), where)
        last = {(c.row["source"] or "", int(c.row["parity"] or 0)): c for c in series}
        for key, change in last.items():
            if change.verb == "DELETE":
                self._dropped.pop(key, None)
                continue
            told = [int(n) for n in (change.row["dropped"] or "{}")[1:-1].split(",")]
            if told != [self._dropped[key][name] for name in OUTCOMES]:
                text = f"{key} dropped {self._dropped[key]}, not {told} ({where})"
                self._break("miscounted", text)
            until = int(change.row["dropped_no"] or 0)
            if left := [no for no in self._kept[key] if no <= until]:
                text = f"{key} is dropped up to {until}, but {left[:5]} are there ({where})"
                self._break("miscounted", text)

    def _drop_one(self, gone: Numbered, where: str) -> None:
        change = self._kept[gone.series].pop(gone.no, None)
        if change is None or gone.no > self._folded[gone.series]:
            text = f"change {gone.no} of {gone.source} is dropped and not folded ({where})"
            self._break("miscounted", text)
        else:
            self._dropped[gone.series] += change.outcomes()

    # ---- at the end -----------------------------------------------------------------------

    def finish(self, found: list[tuple[Any, ...]] | None) -> None:
        """Compare the sums; `found` is what the database says: kind, outcome and how many."""
        left = self._by_kind(r for some in self._unfolded.values() for c in some for r in c.counts)
        all_ = self._by_kind(r for change in self.changes for r in change.counts)
        sums = {"minutes and unfolded changes": +(self._total + left)}
        if found is not None:
            sums["the database"] = +Counter({(kind, name): n for kind, name, n in found})
        for name, counts in sums.items():
            if counts != +all_:
                self._break("miscounted", f"{name} say {dict(counts)}, all changes {dict(all_)}")
        of_jobs = Counter({key: n for key, n in all_.items() if key[1] != "snoozed"})
        if +of_jobs != +self.became:
            self._break("miscounted", f"counted: {dict(of_jobs)}; became: {dict(self.became)}")
