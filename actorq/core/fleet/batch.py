"""One leased batch: all state of it, and all that changes it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from actorq.core.job.model import FRESH, ClaimedBatch, Counts, Cut, EndedBatch, Row


@dataclass(slots=True, eq=False)
class BatchState:
    """A leased batch, from its claim to the commit of its last outcome.

    Only its methods set its fields; each method says what has happened to the batch.
    """

    batch: ClaimedBatch
    kind: str
    cut: Cut
    unwritten: int  # jobs whose outcome is not known to be committed
    claimed_at: float = 0.0
    actor: int | None = None  # whose pipe it is in
    taken_at: float | None = None
    running: tuple[int, ...] = ()  # positions begun, as last seen; tracked only under a time limit
    running_since: float = math.inf
    told: set[int] = field(default_factory=set)  # positions that have an outcome
    done: list[int] = field(default_factory=list)  # plain completions not yet written
    rows: list[Row] = field(default_factory=list)  # other outcomes not yet written
    since: float = math.inf  # when the first of those came
    finished: bool = False  # every job has its outcome
    writing: bool = False  # a settlement of it is being written
    recalled: bool = False
    one_by_one: bool = False  # its actor runs each job in a call of its own
    sent_at: float = 0.0
    verdict_waits: bool = False  # on the one job that failed alone; see core.blame.quarantine
    cancels: list[int] = field(default_factory=list)  # positions that somebody wants cancelled
    waited: dict[int, int] = field(default_factory=dict)  # how long jobs had been due, by bucket
    ran_s: float | None = None  # None: not answered

    def counts(self, position: int) -> Counts:
        """Return the counters of the job at a position."""
        return self.batch.notes.get(position, FRESH)

    @property
    def idle(self) -> bool:
        """Tell whether nothing is left of it except a verdict that waits."""
        return self.verdict_waits and not (self.writing or self.rows or self.done)

    def left(self) -> list[int]:
        """Return the positions that have no outcome yet, in order."""
        return [p for p in range(self.batch.n) if p not in self.told]

    def sent(self, actor: int, now: float, *, one_by_one: bool) -> None:
        """Record whose pipe it goes into."""
        self.actor, self.sent_at, self.one_by_one = actor, now, one_by_one

    def runs(self, running: tuple[int, ...], now: float) -> None:
        """Record that its actor has begun it, and which jobs are running."""
        if self.taken_at is None:
            self.taken_at = now
        if running != self.running:
            self.running, self.running_since = running, now if running else math.inf

    def recall(self) -> None:
        """Record that it was recalled."""
        self.recalled = True

    def wait_again(self) -> None:
        """Take it out of the pipe: it was never begun."""
        self.actor, self.taken_at, self.recalled = None, None, False
        self.running, self.running_since = (), math.inf

    def cancel(self, position: int) -> None:
        """Remember that somebody wants a job cancelled."""
        self.cancels.append(position)

    def back(self, position: int, row: Row) -> None:
        """Add the outcome of one job, to be written with the others."""
        self.rows.append(row)
        self.told.add(position)

    def tell(self, positions: list[int], done: list[int], rows: list[Row], now: float) -> None:
        """Add what its actor says: the positions of completed jobs, and rows for the others."""
        self.rows += rows
        self.done += done
        self.told.update(positions)
        self.since = min(self.since, now)

    def rest_is_done(self) -> None:
        """Mark all jobs that have no outcome as completed."""
        self.done += self.left() if self.told else range(self.batch.n)

    def answered(self, ran_s: float) -> None:
        """Record that its actor has answered for every job; a verdict may still be awaited."""
        self.ran_s = ran_s
        self.finished = not self.verdict_waits
        self.batch.args = []  # nobody will be sent them again

    def close(self, rows: list[Row], now: float) -> None:
        """Add the rows of all jobs that had no outcome."""
        self.rows += rows
        self.told.update(range(self.batch.n))
        self.since, self.finished = min(self.since, now), True

    def await_verdict(self) -> None:
        """Wait for the verdict on a job that failed alone; its actor has answered or is dead."""
        self.verdict_waits, self.actor = True, None

    def judged(self, position: int, now: float) -> None:
        """Record that the verdict is given; its row follows."""
        self.told.add(position)
        self.verdict_waits, self.finished, self.since = False, True, min(self.since, now)

    def judged_row(self, row: Row) -> None:
        """Add the row of a verdict."""
        self.rows.append(row)

    def hurry(self) -> None:
        """Have the outcomes at hand written at once."""
        self.since = -math.inf

    def write(self) -> tuple[list[int], list[Row]]:
        """Hand over what is to be written: positions of plain completions, and other rows."""
        done, rows = self.done, self.rows
        self.done, self.rows, self.since, self.writing = [], [], math.inf, True
        return done, rows

    def ended(self) -> EndedBatch | None:
        """Return its figures, whatever came of it; None if it has not run."""
        if self.ran_s is None:
            return None
        batch = self.batch
        return EndedBatch(batch.lane, batch.n, self.cut, self.ran_s, self.waited)

    def written(self) -> None:
        """Record that a settlement has been answered."""
        self.writing = False

    def applied(self, n: int, seq: int) -> None:
        """Record that a settlement of n jobs was committed, and its lease's new sequence number."""
        self.batch.seq = seq
        self.unwritten -= n
