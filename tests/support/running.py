"""Run supervisors as real processes, from a handlers module that the test writes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections import Counter
from pathlib import Path
from typing import Any, LiteralString

import psutil
import psycopg

from tests.support.wait import wait_until

ROOT = Path(__file__).resolve().parents[2]


class Supervisors:
    """Start, signal and end `actorq run` processes of one handlers module and database."""

    def __init__(self, directory: Path, dsn: str) -> None:
        self.directory = directory
        self.dsn = dsn
        self.processes: list[subprocess.Popen[bytes]] = []

    def write(self, source: str, name: str = "handlers") -> None:
        """Write the handlers module."""
        (self.directory / f"{name}.py").write_text(textwrap.dedent(source))

    @property
    def env(self) -> dict[str, str]:
        """Return the environment of a process that uses the test's database."""
        return {**os.environ, "ACTORQ_DSN": self.dsn, "PYTHONUNBUFFERED": "1"}

    def start(self, *options: str) -> subprocess.Popen[bytes]:
        """Start `actorq run handlers:app`; its output goes to a file per process."""
        log = self.log(len(self.processes)).open("wb")
        command = [sys.executable, "-m", "actorq", "run", "handlers:app", *options]
        process = subprocess.Popen(
            command, cwd=self.directory, env=self.env, stdout=log, stderr=subprocess.STDOUT
        )
        log.close()
        self.processes.append(process)
        return process

    def python(self, source: str) -> str:
        """Run a program in the directory of the handlers; returns what it prints."""
        command = [sys.executable, "-c", textwrap.dedent(source)]
        done = subprocess.run(
            command, cwd=self.directory, env=self.env, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def log(self, index: int) -> Path:
        """Return the file that the n-th supervisor writes to."""
        return self.directory / f"supervisor{index}.log"

    def logs(self) -> str:
        """Return what all of them wrote."""
        return "\n".join(self.log(n).read_text() for n in range(len(self.processes)))

    def rows(self, sql: LiteralString, *params: Any) -> list[tuple[Any, ...]]:
        """Ask the database."""
        with psycopg.connect(self.dsn, autocommit=True) as conn:
            return conn.execute(sql, params or None).fetchall()

    def states(self) -> dict[str, int]:
        """Count the jobs by state."""
        counted = self.rows("SELECT state::text, count(*) FROM actorq.job GROUP BY 1")
        return Counter(dict(counted))

    def wait_for(self, deadline_s: float = 60, **states: int) -> None:
        """Wait until the jobs are in these states, and no others are left."""

        def reached() -> bool:
            seen = self.states()
            assert dict(seen) == states, f"{dict(seen)}; log: {self.logs()[-3000:]}"
            return True

        wait_until(reached, deadline_s, f"jobs to be {states}")

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """End a supervisor in the hardest way."""
        process.kill()
        process.wait()

    def stop(self, process: subprocess.Popen[bytes], deadline_s: float = 45) -> int:
        """Ask a supervisor to stop; returns its exit code."""
        process.send_signal(signal.SIGTERM)
        return process.wait(deadline_s)

    def close(self) -> None:
        """End all of them, and see that none of their processes is left."""
        families = [actors_of(process) for process in self.processes]
        for process in self.processes:
            if process.poll() is None:
                self.kill(process)
        gone = [child for family in families for child in family]
        wait_until(lambda: not any(is_running(p) for p in gone), what="all actors to end")


def actors_of(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """Return the processes below a supervisor."""
    try:
        return list(psutil.Process(process.pid).children(recursive=True))
    except psutil.NoSuchProcess:
        return []


def is_running(process: psutil.Process) -> bool:
    """Tell whether a process is there and no zombie."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
