"""What a follower was told, against the history: all of it, once, in order, and the gaps exact."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from actorq.core.following.cursor import Cursor, parsed
from tests.torture.counting import OUTCOMES, Numbered
from tests.torture.model import Model

Missing = Counter[tuple[str, str]]
"""How many job changes of a source came to an outcome."""


class Told:
    """Judge one follower; `break_` is told what is wrong with what it was told."""

    def __init__(self, model: Model, name: str, break_: Callable[..., None]) -> None:
        self._model, self._name, self._break_ = model, name, break_
        self.counts: Counter[str] = Counter()
        self._events: set[tuple[int, str, int]] = set()
        self._places: dict[int, int] = {}  # of each job's last event
        self._numbers: dict[str, int] = {}  # of each supervisor's last event
        self._got: Missing = Counter()
        self._gaps: Missing = Counter()
        self._n_snoozed = 0

    def judge(self, batches: Iterable[tuple[list[Any], str]]) -> None:
        """Judge all that was written down."""
        start: Cursor | None = None
        for events, cursor in batches:
            start = start or parsed(cursor)
            for what, *values in events:
                self.counts[what] += 1
                take: Callable[..., None] = getattr(self, f"_{what}")
                take(*values)
        if start is None:
            self._break("untold", "nothing was written down")
        else:
            self._compare(start)

    def _break(self, rule: str, text: str, job: int | None = None) -> None:
        self._break_(rule, f"follower {self._name}: {text}", job)

    def _job(self, id_: int, state: str, attempt: int, kind: str) -> None:
        job = self._model.jobs.get(id_)
        if job is None or job.kind != kind:
            self._break("untrue", f"job {id_} of kind {kind} is not there", id_)
        elif state == "snoozed":
            self._n_snoozed += 1
        else:
            self._of_job(id_, state, attempt)

    def _of_job(self, id_: int, state: str, attempt: int) -> None:
        event = id_, state, attempt
        place = self._model.events.get(event)
        if place is None:
            self._break("untrue", f"job {id_} was never {state} by attempt {attempt}", id_)
            return
        if event in self._events:
            self._break("told_twice", f"job {id_} {state} by attempt {attempt}", id_)
            return
        if place < self._places.get(id_, 0):
            self._break("disorder", f"job {id_} {state} by attempt {attempt} comes late", id_)
        self._events.add(event)
        self._places[id_] = place
        self._got[self._model.counting.changes[place].source, state] += 1

    def _gap(self, source: str, jobs: dict[str, int] | None, n_events: int | None) -> None:
        if jobs is None or n_events is None:
            self._break("untold", f"a gap without numbers, of {source}")
            return
        for state, n in jobs.items():
            self._gaps[source, state] += n
        self.counts["missed"] += sum(jobs.values())
        self.counts["missed of supervisors"] += n_events

    def _node(self, node: str, number: int) -> None:
        if number <= self._numbers.get(node, 0):
            rule = "told_twice" if number == self._numbers[node] else "disorder"
            self._break(rule, f"event {number} of {node} after {self._numbers[node]}")
        self._numbers[node] = number

    def _compare(self, start: Cursor) -> None:
        """Compare the sums: what was not told has to be in a gap of its source."""
        due, maybe = self._due(start)
        got = self._got.copy()
        for states in (OUTCOMES[:3], OUTCOMES[4:]):
            for key in {k for k in due | got | self._gaps | maybe if k[1] in states}:
                self._fits(key, due[key], got[key], self._gaps[key], maybe[key])
        sums = [_of(each, "snoozed") for each in (due, self._gaps, maybe)]
        self._fits(("all", "snoozed"), sums[0], self._n_snoozed, sums[1], sums[2])

    def _due(self, start: Cursor) -> tuple[Missing, Missing]:
        """Return what it must have been told, and what it may have been: that had begun before."""
        due: Missing = Counter()
        maybe: Missing = Counter()
        for change in self._model.counting.changes:
            if change.counts and change.no > start.series_of(*change.series).no:
                into = maybe if _began_before(change, start) else due
                for state, n in change.outcomes().items():
                    into[change.source, state] += n
        return due, maybe

    def _fits(self, key: tuple[str, str], due: int, got: int, gaps: int, maybe: int) -> None:
        left = due - got - gaps
        if not -maybe <= left <= 0:
            text = f"{key}: {due} happened (perhaps {maybe} more), {got} told, {gaps} in gaps"
            self._break("untold" if left > 0 else "told_twice", text)


def _began_before(change: Numbered, start: Cursor) -> bool:
    """Tell whether a change had begun before it was followed, which is why it names no job."""
    return not change.is_named and datetime.fromisoformat(change.at).timestamp() <= start.since


def _of(counts: Missing, state: str) -> int:
    return sum(n for (_, name), n in counts.items() if name == state)
