"""What every benchmark needs: a server, a fresh database, a measured run, and its report.

Server and client share the machine; figures are medians of repetitions with their spread.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from actorq import App, embedded
from actorq.store.migrate import migrate

TICK_S = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Server:
    """Hold where the server is; `pid` is its postmaster's, None if it runs elsewhere."""

    dsn: str
    pid: int | None
    text: str

    def cpu_s(self) -> float | None:
        """Return the CPU seconds that the server's processes have used, living and dead."""
        if self.pid is None:
            return None
        return sum(_cpu_s(pid, reaped=pid == self.pid) for pid in _family(self.pid))


@contextmanager
def server() -> Iterator[Server]:
    """Yield the server of ACTORQ_BENCH_DSN, or a private durable one in a temporary place."""
    dsn = os.environ.get("ACTORQ_BENCH_DSN")
    if dsn:
        with psycopg.connect(dsn) as conn:
            yield Server(dsn, None, f"PostgreSQL {conn.info.server_version // 10000}, given")
        return
    home = Path(tempfile.gettempdir()) / f"actorq-bench-{os.geteuid()}"
    with embedded.start(home, settings={"max_wal_size": "4GB"}) as own:
        yield Server(own.dsn, own.pid, own.describe())


@contextmanager
def database(host: Server) -> Iterator[str]:
    """Yield the DSN of a fresh, migrated database that is dropped afterwards."""
    name = f"bench_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(host.dsn, autocommit=True) as conn:
        conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        dsn = psycopg.conninfo.make_conninfo(host.dsn, dbname=name)
        try:
            migrate(dsn)
            yield dsn
        finally:
            conn.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def use(dsn: str, app: App) -> None:
    """Make an app enqueue into this database."""
    app.client.close()
    os.environ["ACTORQ_DSN"] = dsn


def checkpoint(dsn: str) -> None:
    """Checkpoint, so that none falls into the run by chance and no run pays for another.

    To be called before the enqueue: the first change to a page after a checkpoint logs the
    whole page, and a checkpoint between enqueue and drain would count that twice.
    """
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("CHECKPOINT")


def analyze(dsn: str) -> None:
    """Do what autovacuum does within a minute."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("VACUUM (ANALYZE) actorq.job, actorq.ready")


def wal(dsn: str) -> int:
    """Return how many bytes of WAL were ever written."""
    with psycopg.connect(dsn) as conn:
        row = conn.execute("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn").fetchone()
    assert row is not None
    return int(row[0])


def supervise(
    dsn: str, kind: str, jobs: int, *, batch: int, actors: int = 1, settle_rows: int = 1000
) -> dict[str, Any]:
    """Run a supervisor process until it has settled `jobs` jobs; returns what it measured."""
    env = {**os.environ, "ACTORQ_DSN": dsn}
    env |= {"BENCH_BATCH": str(batch), "BENCH_ACTORS": str(actors)}
    command = [sys.executable, "-m", "bench._supervise", "--kind", kind]
    command += ["--jobs", str(jobs), "--settle-rows", str(settle_rows)]
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, check=True)
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return measured


def summary(values: Sequence[float]) -> dict[str, float]:
    """Return median, least and largest."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def machine() -> dict[str, Any]:
    """Return what the figures depend on."""
    return {
        "cpus": os.cpu_count(),
        "cpu": _cpu_model(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
    }


def parser(description: str, *, repeat: int = 3) -> argparse.ArgumentParser:
    """Return a parser with the options that all benchmarks share."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--json", action="store_true", help="print the figures as one last line")
    made.add_argument("--repeat", type=int, default=repeat, help="repetitions (median quoted)")
    return made


def report(options: argparse.Namespace, figures: dict[str, Any], say: Callable[..., Any]) -> None:
    """Print the figures for people, or as one last line of JSON."""
    if options.json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        say(f"{name:>28}  {value:,.2f}" if isinstance(value, float) else f"{name:>28}  {value}")


def _family(pid: int) -> list[int]:
    """Return a process and its children."""
    found = [pid]
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(path.parent.name))
    return found


def _cpu_s(pid: int, *, reaped: bool) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    ticks = int(fields[11]) + int(fields[12])
    if reaped:
        ticks += int(fields[13]) + int(fields[14])
    return ticks * TICK_S


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((x.partition(":")[2].strip() for x in lines if x.startswith("model name")), "")
