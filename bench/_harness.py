"""What every benchmark needs: its options, a server, fresh databases, and its report.

Server and client share the machine; figures are medians of repetitions with their spread.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from actorq import App, embedded
from actorq.store.schema.migrate import migrate
from bench import _machine

# ---- options ------------------------------------------------------------------------------

Size = int | float | str | tuple[int, ...]


def options(description: str, *, repeat: int = 3, **sizes: tuple[Size, Size, str]) -> Any:
    """Read the command line: every size has a usual value, a tiny one for `--tiny`, and a help."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print the figures as one last line")
    parser.add_argument("--tiny", action="store_true", help="only show that it works, in seconds")
    text = f"repetitions; their median counts ({repeat})"
    parser.add_argument("--repeat", type=_positive(int), help=text)
    for name, (usual, _, text) in sizes.items():
        kind = _integers if isinstance(usual, tuple) else _positive(type(usual))
        shown = ",".join(map(str, usual)) if isinstance(usual, tuple) else usual
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, help=f"{text} ({shown})")
    made = parser.parse_args()
    for name, (usual, tiny, _) in {"repeat": (repeat, 1, ""), **sizes}.items():
        if getattr(made, name) is None:
            setattr(made, name, tiny if made.tiny else usual)
    return made


def _positive(kind: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return a reader of values that refuses numbers which are not above 0."""

    def read(text: str) -> Any:
        value = kind(text)
        if isinstance(value, int | float) and value <= 0:
            raise argparse.ArgumentTypeError(f"{text} is not a number above 0")
        return value

    read.__name__ = getattr(kind, "__name__", "value")
    return read


def _integers(text: str) -> tuple[int, ...]:
    return tuple(_positive(int)(part) for part in text.split(","))


# ---- the server and its databases ---------------------------------------------------------

LOCK = 0x6163746F7271
"""Of the benchmarks: WAL and CPU are counted for the whole server, so only one may run."""


@dataclass(frozen=True)
class Server:
    """Hold where the server is; `pid` is its postmaster's, None if it runs elsewhere."""

    dsn: str
    pid: int | None
    text: str

    def cpu_s(self) -> float | None:
        """Return the CPU seconds that the server's processes have used, living and dead."""
        return None if self.pid is None else _machine.family_cpu_s(self.pid)


@contextmanager
def server() -> Iterator[Server]:
    """Yield the server of `any_server` when no other benchmark runs on it any more."""
    with any_server() as host, psycopg.connect(host.dsn, autocommit=True) as conn:
        locked = conn.execute("SELECT pg_try_advisory_lock(%s)", [LOCK]).fetchone()
        if locked != (True,):
            say("waiting for another benchmark on this server")
            conn.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        yield host


@contextmanager
def any_server() -> Iterator[Server]:
    """Yield the server of ACTORQ_BENCH_DSN, or a private durable one in a temporary place."""
    dsn = os.environ.get("ACTORQ_BENCH_DSN")
    if dsn:
        yield Server(dsn, None, f"PostgreSQL {_version(dsn)}, given")
        return
    home = Path(tempfile.gettempdir()) / f"actorq-bench-{os.geteuid()}"
    with embedded.start(home, settings={"max_wal_size": "4GB"}) as own:
        yield Server(own.dsn, own.pid, own.describe())


def _version(dsn: str) -> int:
    """Return the major version of the server that the user has named; or end with a line."""
    try:
        with psycopg.connect(dsn) as conn:
            return conn.info.server_version // 10000
    except psycopg.Error as exc:
        raise SystemExit(
            f"cannot use the server of ACTORQ_BENCH_DSN: {str(exc).strip()}\n"
            "Correct it, or unset it to use a private server."
        ) from None


@contextmanager
def database(host: Server, *, migrated: bool = True) -> Iterator[str]:
    """Yield the DSN of a fresh database that is dropped afterwards."""
    name = f"bench_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(host.dsn, autocommit=True) as conn:
        conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        dsn = psycopg.conninfo.make_conninfo(host.dsn, dbname=name)
        try:
            if migrated:
                migrate(dsn)
            yield dsn
        finally:
            conn.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def use(dsn: str, app: App) -> None:
    """Make an app enqueue into this database."""
    app.client.close()
    os.environ["ACTORQ_DSN"] = dsn


def run(dsn: str, text: str) -> Any:
    """Run a statement of our own; returns the first row, None where there is none."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        done = conn.execute(text.encode())
        return done.fetchone() if done.description else None


def checkpoint(dsn: str) -> None:
    """Checkpoint, so that none falls into the run by chance and no run pays for another.

    To be called before the enqueue: the first change to a page after a checkpoint logs the
    whole page, and a checkpoint between enqueue and drain would count that twice.
    """
    run(dsn, "CHECKPOINT")


def analyze(dsn: str) -> None:
    """Do what autovacuum does within a minute."""
    run(dsn, "VACUUM (ANALYZE) actorq.job, actorq.ready")


def wal(dsn: str) -> int:
    """Return how many bytes of WAL were ever written."""
    return int(run(dsn, "SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")[0])


# ---- figures ------------------------------------------------------------------------------


def median(values: Sequence[float], digits: int = 2) -> float:
    """Return the median, rounded; whole if `digits` is 0."""
    found = round(statistics.median(values), digits)
    return int(found) if digits == 0 else found


def spread(values: Sequence[float], digits: int = 0) -> list[float]:
    """Return the least and the largest, rounded."""
    ends = [round(min(values), digits), round(max(values), digits)]
    return [int(end) for end in ends] if digits == 0 else ends


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value that `percent` of all do not exceed; NaN of none."""
    ordered = sorted(values)
    rank = min(len(ordered) - 1, int(len(ordered) * percent / 100))
    return ordered[rank] if ordered else float("nan")


def percentiles(seconds: Sequence[float], prefix: str = "") -> dict[str, float]:
    """Return p50, p99 and p99.9 of durations, in milliseconds."""
    names = {"p50_ms": 50, "p99_ms": 99, "p999_ms": 99.9}
    return {prefix + k: round(percentile(seconds, p) * 1000, 3) for k, p in names.items()}


def say(text: str) -> None:
    """Tell how it goes, out of the way of the figures."""
    print(text, file=sys.stderr, flush=True)


def report(options: Any, host: Server, figures: dict[str, Any]) -> None:
    """Print the figures with what they depend on: for people, or as one last line of JSON."""
    sizes = {k: v for k, v in vars(options).items() if k not in ("json", "tiny")}
    figures = {**figures, "options": sizes, "machine": facts(host)}
    if options.json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        if not isinstance(value, dict):
            print(f"{name:>28}  {_shown(value)}")
            continue
        print(f"{name:>28}")
        for key, part in value.items():
            print(f"{key:>34}  {_shown(part)}")


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "  ".join(f"{k} {_shown(v)}" for k, v in value.items())
    return f"{value:,}" if isinstance(value, int | float) else str(value)


def facts(host: Server) -> dict[str, Any]:
    """Return what the figures depend on: the machine, the server and its settings, the date."""
    names = ("server_version", "shared_buffers", "max_wal_size", "fsync", "synchronous_commit")
    settings = run(host.dsn, "SELECT " + ", ".join(f"current_setting('{n}')" for n in names))
    return {
        **_machine.facts(),
        "server": host.text,
        **dict(zip(names, settings, strict=True)),
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
    }
