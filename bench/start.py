"""Start `actorq run` where one job waits: seconds until that job is done, and CPU until then.

The handler imports nothing of its own. Once the server runs already, and once it is the private
one, which the command has to start.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg

from actorq import embedded
from actorq.embedded.server import NAME
from actorq.store.schema.migrate import migrate
from bench import _harness as h

HANDLERS = """
import actorq

app = actorq.App()


@app.actor("first")
def first(x: int) -> int:
    return x
"""
INSERT = "INSERT INTO actorq.job (kind, args) VALUES ('first', '{\"x\": 1}')"
DONE = "SELECT count(*) FROM actorq.job WHERE state = 'completed'"
LOOK_S = 0.002
LIMIT_S = 60.0


def once(dsn: str, directory: Path, *options: str, **env: str) -> dict[str, float]:
    """Start a supervisor, wait until its only job is done, and stop it."""
    command = [sys.executable, "-m", "actorq", "run", "handlers:app", *options]
    begun = time.monotonic()
    process = subprocess.Popen(command, cwd=directory, env={**os.environ, **env})
    try:
        wait(dsn, begun + LIMIT_S)
        took_s = time.monotonic() - begun
    finally:
        process.send_signal(signal.SIGTERM)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return {"s": took_s, "cpu_s": used.ru_utime + used.ru_stime}


def wait(dsn: str, deadline: float) -> None:
    """Wait until one job is completed, on a server that may still have to start."""
    while time.monotonic() < deadline:
        try:
            with psycopg.connect(dsn, autocommit=True) as conn:
                while time.monotonic() < deadline:
                    if conn.execute(DONE).fetchone() == (1,):
                        return
                    time.sleep(LOOK_S)
        except psycopg.OperationalError:
            time.sleep(LOOK_S)
    raise SystemExit(f"no job was done within {LIMIT_S:.0f} s")


def here(host: h.Server, directory: Path) -> dict[str, float]:
    """Measure on the server that runs."""
    with h.database(host) as dsn:
        h.run(dsn, INSERT)
        return once(dsn, directory, ACTORQ_DSN=dsn)


def private(directory: Path) -> dict[str, float]:
    """Measure on a private server that has been used before and stands still."""
    with tempfile.TemporaryDirectory() as place:
        home = Path(place) / NAME
        Path(place).chmod(0o755)  # the server may run as another user
        with embedded.start(home) as server:
            dsn = server.dsn
            migrate(dsn)
            h.run(dsn, INSERT)
        try:
            return once(dsn, directory, "--embedded", XDG_DATA_HOME=place)
        finally:
            embedded.remove(home)


def main() -> None:
    """Run the benchmark."""
    options = h.options(__doc__ or "", repeat=7)
    with tempfile.TemporaryDirectory() as place, h.server() as host:
        directory = Path(place)
        (directory / "handlers.py").write_text(HANDLERS)
        runs = [here(host, directory) for _ in range(options.repeat + 1)][1:]
        cold = [private(directory) for _ in range(max(1, options.repeat // 2))]
        taken = [run["s"] for run in runs]
        figures: dict[str, Any] = {
            "first_job_s": h.median(taken, 3),
            "first_job_s_spread": h.spread(taken, 3),
            "cpu_s": h.median([run["cpu_s"] for run in runs], 3),
            "first_job_private_s": h.median([run["s"] for run in cold], 3),
        }
        h.report(options, host, figures)


if __name__ == "__main__":
    main()
