"""What is sampled every second while a test runs, in a thread and on a connection of its own.

A look that the role may not take is left out from then on, and the report names the GRANT.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from actorq.errors import ActorqError
from actorq.store.admin.run import run
from actorq.stress.core.figures import Sample
from actorq.stress.measure import machine
from actorq.stress.measure.place import StressPlace
from actorq.stress.process.notes import NotesReader, Ran

EVERY_S = 1.0
MAX_SAMPLES = 20_000
"""Some five hours: beyond, no more are kept."""

GRANTS = {
    "stress_commits": ("commits_per_s", "GRANT SELECT ON pg_catalog.pg_stat_database TO {role}"),
    "stress_dead": ("dead_tuples", "GRANT SELECT ON pg_catalog.pg_stat_user_tables TO {role}"),
    "stress_waits": ("waits", "GRANT pg_read_all_stats TO {role}, and SELECT on "
                     "pg_catalog.pg_stat_activity if that was revoked"),
    "stress_wal": ("wal_bytes_per_job",
                   "GRANT EXECUTE ON FUNCTION pg_catalog.pg_current_wal_insert_lsn() TO {role}"),
    "stress_statements": ("statements_per_s", "CREATE EXTENSION pg_stat_statements (in schema "
                          "public, with shared_preload_libraries), and GRANT pg_read_all_stats "
                          "TO {role}"),
}  # fmt: skip
"""For each look: the column that it fills, and what helps if it may not be taken."""


class Seen(NamedTuple):
    """Counters at one instant; rates are made of two of these."""

    at: float
    n_sent: int
    n_final: int
    counters: Mapping[str, int]
    cpu_s: Mapping[str, float]


class Roles(NamedTuple):
    """Who is who among this machine's processes; the server's are unknown if it is not here."""

    generators: Callable[[], Sequence[int]]
    supervisors: Callable[[], Sequence[int]]
    server: Callable[[], int | None]
    follower: Callable[[], Sequence[int]]


class Sampler:
    """A thread that looks once a second."""

    def __init__(
        self,
        place: StressPlace,
        roles: Roles,
        notes: NotesReader,
        n_actors: int,
        begun: float,
        progress: Callable[[], tuple[str, int, int]],
    ) -> None:
        """Look at a place; `progress` tells the step, and how many jobs it has sent and settled."""
        self._place, self._roles, self._notes = place, roles, notes
        self._n_actors, self._progress = n_actors, progress
        self.samples: list[Sample] = []
        self.ran: list[Ran] = []
        self.unseen: dict[str, str] = {}
        self._blind: set[str] = set()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._begun = begun
        self._cpu: dict[int, tuple[str, float]] = {}
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Stop looking."""
        self._stop.set()
        self._thread.join(10.0)

    def take_ran(self) -> list[Ran]:
        """Return the batches that actors noted since the last call of this."""
        with self._lock:
            self.ran += self._notes.new()
            taken, self.ran = self.ran, []
        return taken

    def _run(self) -> None:
        last: Seen | None = None
        conn: Any = None
        while not self._stop.wait(EVERY_S - (time.monotonic() - self._begun) % EVERY_S):
            try:
                conn = conn or self._place.connect()
                last = self._look(conn, last)
            except ActorqError as error:
                # The server may be restarted by the test itself; it is looked for again.
                first = str(error).splitlines()[0]
                self.unseen.setdefault("connection", f"for a while nothing was sampled: {first}")
                _close(conn)
                conn = None
        _close(conn)

    def _look(self, conn: Any, last: Seen | None) -> Seen:
        step, n_sent, n_final = self._progress()
        [backlog] = run(conn, self._place.schema, "stress_backlog")
        counters = {name: n for name in COUNTERS if (n := self._counter(conn, name)) is not None}
        now = Seen(time.monotonic(), n_sent, n_final, counters, self._cpu_by_role())
        sizes, busy_s = self._batches()
        if last is not None and len(self.samples) < MAX_SAMPLES:
            self.samples.append(
                Sample(
                    at_s=round(now.at - self._begun, 2),
                    step=step,
                    backlog=backlog["due"] + backlog["leased"],
                    oldest_s=backlog["oldest_s"],
                    batch_mean=round(sum(sizes) / len(sizes), 1) if sizes else None,
                    busy_share=round(busy_s / (now.at - last.at) / self._n_actors, 3),
                    dead_tuples=counters.get("stress_dead"),
                    waits=self._waits(conn),
                    memory_mb=self._memory_mb(),
                    **rates(last, now),
                )
            )
        return now

    def _counter(self, conn: Any, name: str) -> int | None:
        rows = self._rows(conn, name, **self._params(name))
        return rows[0]["n"] if rows else None

    def _params(self, name: str) -> dict[str, object]:
        return {"schema": self._place.schema} if name == "stress_dead" else {}

    def _waits(self, conn: Any) -> dict[str, int]:
        return {row["what"]: row["n"] for row in self._rows(conn, "stress_waits")}

    def _rows(self, conn: Any, name: str, **params: object) -> list[dict[str, Any]]:
        """Take a look, unless it may not be taken."""
        if name in self._blind:
            return []
        try:
            return run(conn, self._place.schema, name, **params)
        except ActorqError as error:
            if getattr(error.__cause__, "sqlstate", None) not in NOT_ALLOWED:
                raise
            self._blind.add(name)
            column, grant = GRANTS[name]
            role = conn.info.user
            first = str(error).splitlines()[0]
            self.unseen[name] = f"{column} is empty ({first}): {grant.format(role=role)}"
            return []

    def _batches(self) -> tuple[list[int], float]:
        """Return the sizes of the batches that ended since the last look, and their time in all."""
        with self._lock:
            new = self._notes.new()
            self.ran += new
        return [len(ran.ids) for ran in new], sum(ran.ended - ran.begun for ran in new)

    def _cpu_by_role(self) -> dict[str, float]:
        """Return the CPU seconds of each role so far, of processes that have ended included."""
        for role, pids in self._pids().items():
            for pid in pids:
                seconds = machine.cpu_s(pid)
                if seconds is not None:
                    self._cpu[pid] = (role, seconds)
        total: dict[str, float] = {}
        for role, seconds in self._cpu.values():
            total[role] = total.get(role, 0.0) + seconds
        return total

    def _pids(self) -> dict[str, Sequence[int]]:
        supervisors = list(self._roles.supervisors())
        postmaster = self._roles.server()
        server = [postmaster] if postmaster else []
        below = machine.children_of([*supervisors, *server])
        return {
            "generators": self._roles.generators(),
            "supervisors": supervisors,
            "follower": self._roles.follower(),
            "actors": [pid for one in supervisors for pid in below[one]],
            "server": [pid for one in server for pid in (one, *below[one])],
        }

    def _memory_mb(self) -> dict[str, float]:
        """Return the memory that the processes of each role have for themselves."""
        return {
            role: round(sum(map(machine.own_memory_mb, pids)), 1)
            for role, pids in self._pids().items()
        }


NOT_ALLOWED = ("42501", "42P01", "42883", "3F000")
"""No privilege; no such table, function or schema: pg_stat_statements may not be installed."""

COUNTERS = ("stress_commits", "stress_dead", "stress_wal", "stress_statements")


def _close(conn: Any) -> None:
    """Close a connection that is of no use any more."""
    if conn is not None:
        conn.close()


def rates(last: Seen, now: Seen) -> dict[str, Any]:
    """Return what happened between two looks, by the second; what is unknown is left out."""
    passed = now.at - last.at
    settled = now.n_final - last.n_final
    made: dict[str, Any] = {
        "arrived_per_s": _rate(last.n_sent, now.n_sent, passed),
        "settled_per_s": _rate(last.n_final, now.n_final, passed),
        "commits_per_s": _of(last, now, "stress_commits", passed),
        "statements_per_s": _of(last, now, "stress_statements", passed),
        "wal_bytes_per_job": _of(last, now, "stress_wal", settled) if settled > 0 else None,
        "cpu": {
            role: round((seconds - last.cpu_s.get(role, 0.0)) / passed, 3)
            for role, seconds in now.cpu_s.items()
        },
    }
    return made


def _rate(last: int, now: int, passed: float) -> float:
    """Return a rate; a count that began anew counts from nothing."""
    return round((now - last if now >= last else now) / passed, 1)


def _of(last: Seen, now: Seen, name: str, by: float) -> float | None:
    if name not in last.counters or name not in now.counters:
        return None
    return round((now.counters[name] - last.counters[name]) / by, 1)
