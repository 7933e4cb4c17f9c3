"""The supervisors and enqueuers of a torture run: real processes, each in its own group."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.torture import history, leftovers
from tests.torture.tiers import TTL_S

GRACE_S = 4.0
MAX_RSS_MB, MAX_FDS = 200, 100


@dataclass(eq=False)
class Member:
    """Follow one place for a supervisor, and whoever sits there now."""

    place: int
    process: subprocess.Popen[bytes]
    asked_to_end: bool = False  # its end is wanted, and how it ends does not matter
    stopped: bool = False

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def alive(self) -> bool:
        return self.process.poll() is None


class Fleet:
    """Keep a number of supervisors running, and note those that leave by themselves."""

    def __init__(self, directory: Path, root: Path, env: dict[str, str], dsns: list[str]) -> None:
        self.directory, self.root, self.env, self.dsns = directory, root, env, dsns
        self.lock = threading.RLock()
        self.gave_up: list[str] = []
        self.n_started = 0
        self.members = [self._start(place) for place in range(len(dsns))]
        self.enqueuers: list[subprocess.Popen[bytes]] = []
        self.others: list[subprocess.Popen[bytes]] = []  # to be killed at the end

    def spawn(self, module: str, dsn: str, name: str, *args: str) -> subprocess.Popen[bytes]:
        """Start one of our modules in a group of its own, its output in a file."""
        env = self.env | {"ACTORQ_DSN": dsn}
        with (self.directory / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", f"tests.torture.{module}", *args],
                cwd=self.root, env=env, stdout=log, stderr=log, process_group=0,
            )  # fmt: skip

    def _start(self, place: int) -> Member:
        self.n_started += 1
        process = self.spawn(
            "supervise", self.dsns[place], f"log-{self.n_started:04}-{place}",
            f"ttl_s={TTL_S}", f"grace_s={GRACE_S}",
        )  # fmt: skip
        return Member(place, process)

    def mend(self) -> None:
        """Start somebody in every place that is empty."""
        with self.lock:
            for place, member in enumerate(self.members):
                if member.alive:
                    continue
                code = member.process.returncode
                if not member.asked_to_end and self.serves(member):
                    self.gave_up.append(f"supervisor {member.pid} left with {code}")
                self.members[place] = self._start(place)

    def serves(self, member: Member) -> bool:
        """Tell whether a supervisor has begun to serve: before that, it may give up."""
        files = history.files(self.directory, f"supervisor-{member.pid}")
        # A long run uses the numbers of processes more than once: the newest file is this one's.
        newest = max(files, key=lambda path: int(path.stem.split("-")[-1]), default=None)
        return newest is not None and any(
            line[0] == "supervisor_started" for line in history.read(newest)
        )

    def enqueue(self, place: int, dsn: str, n_jobs: int, span_s: float) -> None:
        """Start an enqueuer."""
        args = (str(place), str(n_jobs), str(span_s))
        self.enqueuers.append(self.spawn("enqueue", dsn, f"enqueuer-{place}", *args))

    def actors(self) -> list[psutil.Process]:
        """Return the actor processes that run now."""
        found = []
        for member in self.members:
            with contextlib.suppress(psutil.Error):
                children = psutil.Process(member.pid).children(recursive=True)
                actors = {c.pid: c for c in children if is_actor(c)}
                # What an actor has just forked still looks like it, until it is another program.
                found += [c for c in actors.values() if c.ppid() not in actors]
        return found

    def grown(self) -> list[str]:
        """Return the supervisors that take more memory or open files than they may."""
        found = []
        for member in self.members:
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(member.pid)
                rss_mb, n_fds = process.memory_info().rss >> 20, process.num_fds()
                if rss_mb > MAX_RSS_MB or n_fds > MAX_FDS:
                    found.append(f"supervisor {member.pid}: {rss_mb} MB, {n_fds} open files")
        return found

    def stop(self, wait_s: float = 30) -> list[str]:
        """End all supervisors softly; returns what was wrong with how they ended."""
        wrong = []
        with self.lock:
            deadline = time.monotonic() + wait_s
            while not all(map(self.serves, self.members)) and time.monotonic() < deadline:
                time.sleep(0.05)
            for member in self.members:
                member.asked_to_end = True
                with contextlib.suppress(ProcessLookupError):
                    os.kill(member.pid, signal.SIGCONT)
                    os.kill(member.pid, signal.SIGTERM)
            deadline = time.monotonic() + wait_s
            for member in self.members:
                try:
                    code = member.process.wait(max(0.1, deadline - time.monotonic()))
                    if code:
                        wrong.append(f"supervisor {member.pid} ended with code {code}")
                except subprocess.TimeoutExpired:
                    wrong.append(f"supervisor {member.pid} did not stop in {wait_s:.0f} s")
        return wrong

    def strays(self) -> list[str]:
        """Describe the processes that are left although everything has been ended."""
        return leftovers.strays(str(self.directory))

    def kill_all(self) -> None:
        """Leave nothing behind, whatever happened."""
        for process in [*(m.process for m in self.members), *self.enqueuers, *self.others]:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        for stray in leftovers.processes(str(self.directory)):
            with contextlib.suppress(psutil.Error):
                stray.kill()


def is_actor(process: psutil.Process) -> bool:
    """Tell whether a process is an actor that has got its kind's name, and no guardian."""
    name = str(process.name())
    return name.startswith("actorq ") and name != "actorq guardian"
