"""The followers of a torture run: each a process of its own, started anew from its last cursor."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from typing import Any

import psycopg

from actorq.core.following.cursor import parsed
from tests.torture.cluster import Cluster
from tests.torture.fleet import Fleet
from tests.torture.follow import AWAY, FOLLOWERS, last_cursor

LAST = "SELECT source::text, no % 2, max(no) FROM actorq.change GROUP BY 1, 2"
CATCH_UP_S = 60.0


class Followers:
    """Keep all followers running, and note those that leave by themselves."""

    def __init__(self, fleet: Fleet, dsns: list[str]) -> None:
        self._fleet, self._dsns = fleet, dict(zip(FOLLOWERS, dsns, strict=True))
        self.stopped: set[str] = set()
        self._killed: set[str] = set()
        self.wrong: list[str] = []
        self._processes = {name: self._start(name) for name in FOLLOWERS}

    def _start(self, name: str) -> subprocess.Popen[bytes]:
        self._killed.discard(name)
        process = self._fleet.spawn("follow", self._dsns[name], f"follower-{name}", name)
        self._fleet.others.append(process)
        return process

    def begin(self) -> None:
        """Wait until all have begun, so that what happens from now on is told."""
        deadline = time.monotonic() + CATCH_UP_S
        while not all(last_cursor(self._fleet.directory, name) for name in FOLLOWERS):
            self.mend()
            if time.monotonic() > deadline:
                raise TimeoutError("the followers did not begin in time")
            time.sleep(0.02)

    def mend(self) -> None:
        """Start those again that are gone."""
        for name, process in self._processes.items():
            code = process.poll()
            if code is None:
                continue
            if code != AWAY and name not in self._killed:
                self.wrong.append(f"follower {name} left with {code}")
            self._processes[name] = self._start(name)

    def running(self) -> list[str]:
        """Return those that run and are not stopped."""
        return [n for n, p in self._processes.items() if p.poll() is None and n not in self.stopped]

    def kill(self, name: str) -> None:
        """Kill one."""
        self._killed.add(name)
        self._signal(name, signal.SIGKILL)

    def stop(self, name: str) -> None:
        """Hold one up."""
        self.stopped.add(name)
        self._signal(name, signal.SIGSTOP)

    def go_on(self, name: str) -> None:
        """Let one go on that was held up."""
        self.stopped.discard(name)
        self._signal(name, signal.SIGCONT)

    def _signal(self, name: str, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._processes[name].pid, number)

    def finish(self, cluster: Cluster) -> None:
        """Wait until all have read everything that there is, and end them."""
        wanted = cluster.patiently(_last)
        deadline = time.monotonic() + CATCH_UP_S
        for name, process in self._processes.items():
            while (left := self._behind(name, wanted)) and time.monotonic() < deadline:
                self.mend()
                time.sleep(0.1)
            if left:
                self.wrong.append(f"follower {name} has not caught up: {left[:3]}")
            process = self._processes[name]
            process.terminate()
            if (code := process.wait(30)) not in (0, AWAY):
                self.wrong.append(f"follower {name} ended with code {code}")

    def _behind(self, name: str, wanted: dict[tuple[str, int], int]) -> list[tuple[str, int]]:
        """Return the series that one has not read to their ends."""
        text = last_cursor(self._fleet.directory, name)
        if text is None:
            return list(wanted)
        cursor = parsed(text)
        return [key for key, no in wanted.items() if cursor.series_of(*key).no < no]


def _last(conn: psycopg.Connection[Any]) -> dict[tuple[str, int], int]:
    return {(source, parity): no for source, parity, no in conn.execute(LAST.encode())}
