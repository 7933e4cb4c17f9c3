"""The server of a torture run, its write-ahead log as text, and the proxy before it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import psycopg
from psycopg import conninfo

from actorq import embedded
from actorq.embedded import system
from actorq.store.schema.migrate import migrate
from tests.torture import leftovers

T = TypeVar("T")

SLOT = "torture"
SETTINGS: dict[str, str | int] = {
    "wal_level": "logical",
    # A killed server loses nothing that the kernel has: flushing would only cost time here.
    "fsync": "off",
    "max_connections": 200,
    "max_wal_size": "8GB",
    "restart_after_crash": "on",
}


def disk(full: bool) -> str:
    """Return what makes the server refuse new versions of rows as a full disk does, or end it.

    The triggers are there from the start: to make or drop one would wait for everybody.
    """
    refuse = "RAISE EXCEPTION 'No space left on device' USING ERRCODE = 'disk_full';"
    return (
        "CREATE OR REPLACE FUNCTION public.disk() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN {refuse if full else ''} RETURN NULL; END $$"
    )


class Cluster:
    """Run a server of our own, which is crashed and brought up again."""

    def __init__(self, home: Path) -> None:
        self.server = embedded.start(home, settings=SETTINGS)
        self.dsn = self.server.dsn
        self.segments: set[Path] = set()  # all shared memory that it was seen to have
        migrate(self.dsn)
        with psycopg.connect(self.dsn, autocommit=True) as conn:
            conn.execute("CREATE TABLE public.torture_mark (n bigserial PRIMARY KEY)")
            conn.execute(disk(full=False).encode())
            for table in ("job", "lease", "result"):
                conn.execute(
                    f"CREATE TRIGGER disk BEFORE INSERT OR UPDATE ON actorq.{table}"
                    " EXECUTE FUNCTION public.disk()".encode()
                )
            conn.execute(f"SELECT pg_create_logical_replication_slot('{SLOT}', 'test_decoding')")

    def socket(self) -> str:
        """Return the path of the server's socket."""
        return str(self.server.socket_dir / ".s.PGSQL.5432")

    def connect(self, **options: Any) -> psycopg.Connection[Any]:
        """Connect directly, for the harness's own use."""
        return psycopg.connect(
            self.dsn, autocommit=True, application_name="torture", connect_timeout=5,
            options="-c default_transaction_read_only=off -c statement_timeout=20s", **options,
        )  # fmt: skip

    def patiently(self, do: Callable[[psycopg.Connection[Any]], T], wait_s: float = 60) -> T:
        """Do something on a connection, again and again while the server is away."""
        deadline = time.monotonic() + wait_s
        while True:
            try:
                with self.connect() as conn:
                    return do(conn)
            except psycopg.Error:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def crash(self, sign: signal.Signals) -> None:
        """End the server at once (SIGQUIT) or without a word (SIGKILL), and start it again."""
        pid = self.server.pid
        if pid:
            self.segments |= leftovers.segments(pid)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, sign)
            deadline = time.monotonic() + 20
            while system.alive(pid) and time.monotonic() < deadline:
                time.sleep(0.01)
        self.server.ensure()

    def broken(self) -> list[str]:
        """Return what the server's own checker finds wrong with tables and indexes."""
        program = str(self.server._binaries.bin / "pg_amcheck")
        where = ["-h", str(self.server.socket_dir), "-U", "actorq", "-d", "actorq"]
        command = [program, "--install-missing", "--heapallindexed", *where]
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
        said = (answer.stdout + answer.stderr).strip()
        return [f"pg_amcheck: {said[-500:]}"] if answer.returncode else []

    def close(self) -> None:
        """Stop the server and delete its data."""
        home = self.server.home
        self.segments |= leftovers.segments(self.server.pid or 0)
        self.server.close()
        embedded.remove(home)


class WalTap:
    """Write all changes to a file as the server decodes them from its log, across crashes."""

    def __init__(self, cluster: Cluster, path: Path) -> None:
        self.path = path
        self._cluster = cluster
        self._stopping = False
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._keep, name="wal-tap", daemon=True)
        self._thread.start()

    def _keep(self) -> None:
        while not self._stopping:
            with self.path.open("ab") as out, self.path.with_suffix(".err").open("ab") as err:
                self._process = subprocess.Popen(self._command(), stdout=out, stderr=err)
                self._process.wait()
            if not self._stopping:
                time.sleep(0.1)

    def _command(self) -> list[str]:
        program = str(self._cluster.server._binaries.bin / "pg_recvlogical")
        dsn = conninfo.make_conninfo(self._cluster.dsn, application_name="torture tap")
        return [
            program, "--no-loop", "-d", dsn, "--slot", SLOT, "--start", "-f", "-", "-s", "1",
            "-o", "include-xids=1", "-o", "skip-empty-xacts=1",
        ]  # fmt: skip

    def finish(self, wait_s: float = 120) -> None:
        """Wait until everything that is committed by now has arrived, and end."""

        def mark(conn: psycopg.Connection[Any]) -> int:
            row = conn.execute("INSERT INTO public.torture_mark DEFAULT VALUES RETURNING n")
            return int((row.fetchone() or [0])[0])

        wanted = f"table public.torture_mark: INSERT: n[bigint]:{self._cluster.patiently(mark)}"
        deadline = time.monotonic() + wait_s
        while wanted.encode() not in self._tail():
            if time.monotonic() > deadline:
                raise TimeoutError("the log of changes did not arrive in time")
            time.sleep(0.05)
        self.close()

    def _tail(self) -> bytes:
        if not self.path.exists():
            return b""
        with self.path.open("rb") as file:
            file.seek(max(0, self.path.stat().st_size - 100_000))
            return file.read()

    def close(self) -> None:
        """End the program that writes the file."""
        self._stopping = True
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
        self._thread.join(10)


class Proxy:
    """Run the proxy before the server, with a door for each client."""

    def __init__(self, cluster: Cluster, n_doors: int, root: Path) -> None:
        command = [sys.executable, "-m", "tests.torture.proxy", cluster.socket(), str(n_doors)]
        self._process = subprocess.Popen(
            command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._process.stdout is not None
        self.ports: list[int] = json.loads(self._process.stdout.readline())
        self._lock = threading.Lock()

    def dsn(self, door: int) -> str:
        """Return the connection string that leads through a door."""
        return (
            f"host=127.0.0.1 port={self.ports[door]} user=actorq dbname=actorq"
            " sslmode=disable gssencmode=disable"
        )

    def order(self, **order: Any) -> None:
        """Tell the proxy what to do wrong."""
        with self._lock:
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            self._process.stdin.flush()

    def close(self) -> dict[str, int]:
        """End it; returns how many requests it has cut, by how."""
        try:
            said, _ = self._process.communicate(timeout=10)  # which ends its stdin
        except subprocess.TimeoutExpired:
            self._process.kill()
            said, _ = self._process.communicate()
        return dict(json.loads(said or b"{}"))
