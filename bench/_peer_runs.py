"""Run other job queues: their environments, their processes, and what is measured of them."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from psycopg import conninfo

from bench import _harness as h

HERE = Path(__file__).parent
STOP_S = 20.0
LOOK_S = 0.02
START_S = 120.0


class Skipped(Exception):
    """Say why a peer cannot be measured here."""


@dataclass(frozen=True)
class Peer:
    """Describe a peer: how many jobs it gets, and how to ask whether some are left."""

    name: str
    jobs: int  # some seconds' worth of no-op jobs for one process
    left: str = ""  # SQL; empty where the handlers count
    requirements: str = "requirements.txt"
    python: tuple[int, int] = (3, 11)
    redis: bool = False


PEERS = (
    Peer(
        "procrastinate",
        3_000,
        "SELECT EXISTS (SELECT FROM procrastinate_jobs WHERE status IN ('todo', 'doing'))",
    ),
    Peer("pgqueuer", 60_000, "SELECT EXISTS (SELECT FROM pgqueuer)"),
    Peer(
        "chancy",
        15_000,
        "SELECT EXISTS (SELECT FROM chancy_jobs WHERE state NOT IN ('succeeded', 'failed'))",
    ),
    Peer(
        "oban",
        8_000,
        "SELECT EXISTS (SELECT FROM oban_jobs WHERE state NOT IN ('completed', 'discarded'))",
        requirements="requirements-oban.txt",
        python=(3, 12),
    ),
    Peer("celery", 5_000, redis=True),
)


# ---- environments -------------------------------------------------------------------------


def environment(peer: Peer) -> str:
    """Return the Python of the peer's environment, making that if it is not there."""
    base = _python(peer.python)
    wanted = HERE / "_peers" / peer.requirements
    name = hashlib.sha256(wanted.read_bytes() + base.encode()).hexdigest()[:16]
    place = _cache() / f"peers-{name}"
    python = place / "bin" / "python"
    if not (place / "complete").exists():
        h.say(f"installing {peer.requirements} into {place}")
        _quietly([base, "-m", "venv", "--clear", str(place)])
        _quietly([str(python), "-m", "pip", "install", "--no-input", "-r", str(wanted)])
        (place / "complete").touch()
    return str(python)


def _cache() -> Path:
    root = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"))
    with contextlib.suppress(OSError):
        (root / "actorq").mkdir(parents=True, exist_ok=True)
    usable = root.is_absolute() and os.access(root / "actorq", os.W_OK)
    return root / "actorq" if usable else Path(tempfile.gettempdir())


def _python(least: tuple[int, int]) -> str:
    """Return a Python that is new enough: this one, one on the path, or one of pyenv's."""
    if sys.version_info[:2] >= least:
        return sys.executable
    names = [f"python3.{minor}" for minor in range(15, least[1] - 1, -1)]
    found = [shutil.which(name) for name in names]
    root = Path(os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv"))
    found += [str(p) for name in names for p in root.glob(f"versions/*/bin/{name}")]
    test = f"import sys, venv; sys.exit(sys.version_info < {least})"
    for python in found:
        if python and not subprocess.run([python, "-c", test], capture_output=True).returncode:
            return python
    raise Skipped(f"it needs Python {least[0]}.{least[1]}, and none was found")


def _quietly(command: list[str]) -> None:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise Skipped(f"{' '.join(command[:4])} failed:\n{done.stdout[-2000:]}")


@contextmanager
def redis(out: Path) -> Iterator[str]:
    """Yield the URL of a Redis of our own, with Debian's defaults but on a socket alone."""
    binary = shutil.which("redis-server")
    if not binary:
        raise Skipped("it needs redis-server, which is not installed")
    socket = out / "redis.sock"
    command = [binary, "--port", "0", "--unixsocket", str(socket), "--dir", str(out)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        _until(socket.exists)
        yield f"redis+socket://{socket}"
    finally:
        process.terminate()
        process.wait()


def _until(done: Any) -> None:
    end = time.monotonic() + START_S
    while not done():
        if time.monotonic() > end:
            raise RuntimeError("it took too long")
        time.sleep(LOOK_S)


# ---- steps --------------------------------------------------------------------------------


class Runner:
    """Drive one peer against one fresh database."""

    def __init__(self, peer: Peer, python: str, dsn: str, out: Path, broker: str) -> None:
        self.peer, self._dsn, self._out = peer, dsn, out
        self._command = [python, "-P", "-m", "bench._peers", peer.name]
        root = str(HERE.parent)
        self._env = {**os.environ, "PYTHONPATH": root, "PYTHONDONTWRITEBYTECODE": "1"}
        self._env |= {"BENCH_OUT": str(out), "BENCH_REDIS": broker}

    def step(self, name: str, **options: Any) -> dict[str, Any]:
        """Do a step in a process of its own and return what it says."""
        with self._log() as log:
            done = subprocess.run(
                self._line(name, options), env=self._env, stdout=subprocess.PIPE, stderr=log
            )
        if done.returncode:
            raise RuntimeError(f"{self.peer.name} {name}:\n{self._log_end()}")
        said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return said

    @contextmanager
    def workers(self, n: int) -> Iterator[None]:
        """Have n worker processes meanwhile."""
        with self._log() as log:
            line = self._line("work", {})
            all_ = [subprocess.Popen(line, env=self._env, stdout=log, stderr=log) for _ in range(n)]
        try:
            yield
        finally:
            for process in all_:
                process.terminate()
            for process in all_:
                _end(process)

    def drained(self, jobs: int) -> float:
        """Wait until all jobs are done; return how long that took from the first one on."""
        _until(lambda: list(self._out.glob("first-*")))
        while self._left(jobs):
            time.sleep(LOOK_S)
        end = time.monotonic()
        return end - min(float(path.read_text()) for path in self._out.glob("first-*"))

    def _left(self, jobs: int) -> bool:
        if self.peer.left:
            return bool(h.run(self._dsn, self.peer.left)[0])
        counted = [path.read_text().split() for path in self._out.glob("handled-*")]
        return sum(int(n) for lines in counted for n in lines) < jobs

    def stamps(self) -> dict[int, float]:
        """Return when the handler of each job began."""
        lines = [x for path in self._out.glob("stamp-*") for x in path.read_text().splitlines()]
        return {int(n): float(at) for n, at in (line.split() for line in lines)}

    def _line(self, step: str, options: dict[str, Any]) -> list[str]:
        more = [part for key, value in options.items() for part in (f"--{key}", str(value))]
        return [*self._command, step, as_uri(self._dsn), *more]

    def _log(self) -> Any:
        return (self._out / "log").open("ab")

    def _log_end(self) -> str:
        return (self._out / "log").read_text(errors="replace")[-2000:]


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def as_uri(dsn: str) -> str:
    """Return a DSN in the form that all drivers read."""
    parts = conninfo.conninfo_to_dict(dsn)
    user, password = str(parts.get("user") or ""), str(parts.get("password") or "")
    login = quote(user, safe="") + (":" + quote(password, safe="") if password else "")
    query = urlencode({k: v for k, v in parts.items() if k in ("host", "port") and v})
    return f"postgresql://{login}@/{parts.get('dbname')}?{query}"


@contextmanager
def runner(host: h.Server, peer: Peer, python: str) -> Iterator[Runner]:
    """Yield a runner on a fresh database with the peer's tables."""
    with contextlib.ExitStack() as stack:
        out = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        dsn = stack.enter_context(h.database(host, migrated=False))
        broker = stack.enter_context(redis(out)) if peer.redis else ""
        made = Runner(peer, python, dsn, out, broker)
        made.step("setup")
        h.checkpoint(dsn)
        yield made


def drain(host: h.Server, peer: Peer, python: str, kind: str, jobs: int, n: int) -> Any:
    """Return the rates of a bulk enqueue and of its drain by n processes."""
    with runner(host, peer, python) as made:
        filled = made.step("fill", kind=kind, jobs=jobs)["jobs_per_s"]
        h.run(made._dsn, "VACUUM ANALYZE")
        with made.workers(n):
            return filled, jobs / made.drained(jobs)


def latency(host: h.Server, peer: Peer, python: str, rate: float, jobs: int) -> list[float]:
    """Return how long jobs waited for one idle worker, from their commit to their handler."""
    with runner(host, peer, python) as made, made.workers(1):
        committed = made.step("pace", jobs=jobs, rate=rate)["committed"]
        _until(lambda: len(made.stamps()) > jobs)
        begun = made.stamps()
    return [begun[int(n)] - at for n, at in committed.items()]
