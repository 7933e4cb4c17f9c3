"""Supervisors that tell what they claim, and a kind of jobs that can be interrupted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import actorq

BATCH = 20
ACTORS = int(os.environ.get("BENCH_ACTORS", "1"))
PATIENCE_S = 60.0

app = actorq.App()


@app.actor("bench.step", max_batch=BATCH, actors=ACTORS, retry=0)
def step(batch: actorq.Batch[dict[str, Any]]) -> None:
    """Take a while for each job that runs for the first time; say who has begun."""
    with (Path(os.environ["BENCH_OUT"]) / "begun").open("a") as file:
        file.write(f"{os.getpid()}\n")
    for job in batch:
        time.sleep(job.args["s"] if job.attempt == 1 else 0)
        job.done()


class Watched:
    """Be a supervisor in a process of its own, with what it has told so far."""

    def __init__(self, dsn: str, out: Path, actors: int, ttl_s: float, elsewhere: bool) -> None:
        command = [sys.executable, "-P", "-m", "bench._watch", "--ttl-s", str(ttl_s)]
        command += ["--elsewhere"] * elsewhere
        set_ = {"ACTORQ_DSN": dsn, "BENCH_OUT": str(out), "BENCH_ACTORS": str(actors)}
        self.process = subprocess.Popen(
            command, env={**os.environ, **set_}, stdout=subprocess.PIPE, text=True
        )
        self._told: list[dict[str, Any]] = []
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._news:
                self._told.append(json.loads(line))
                self._news.notify_all()

    def told(self, what: str, after: float = 0.0) -> list[dict[str, Any]]:
        """Return what it has told of one sort since an instant."""
        return [told for told in self._told if told["what"] == what and told["at"] > after]

    def wait_for(self, what: str, n: int = 1, after: float = 0.0) -> list[dict[str, Any]]:
        """Wait until it has told of something n times since an instant."""
        with self._news:
            if not self._news.wait_for(lambda: len(self.told(what, after)) >= n, PATIENCE_S):
                raise TimeoutError(f"nothing told of {what} in {PATIENCE_S} s: {self._told[-9:]}")
        return self.told(what, after)

    def claimed(self, after: float, fresh: bool = True) -> dict[int, float]:
        """Return when each job was first claimed since an instant, suspects left out if fresh."""
        found: dict[int, float] = {}
        for told in self.told("claimed", after):
            if not (fresh and told["suspect"]):
                found |= {id_: told["at"] for id_ in told["ids"] if id_ not in found}
        return found

    def wait_for_claims(self, ids: Iterable[int], after: float) -> float:
        """Wait until it has claimed all these jobs; returns when the last one was."""
        wanted = set(ids)
        with self._news:
            if not self._news.wait_for(lambda: wanted <= self.claimed(after).keys(), PATIENCE_S):
                raise TimeoutError(f"a supervisor did not claim everything in {PATIENCE_S} s")
        claimed = self.claimed(after)
        return max(claimed[id_] for id_ in wanted)

    def kill(self) -> float:
        """End it in the hardest way; returns when that was."""
        at = time.monotonic()
        self.process.kill()
        self.process.wait()
        return at

    def close(self) -> None:
        """Stop it if it still runs."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait()
        self._reader.join()


@contextmanager
def watched(
    dsn: str, out: Path, *, actors: int = 1, ttl_s: float = 30.0, elsewhere: bool = False
) -> Iterator[Watched]:
    """Yield a supervisor whose actors are ready; it is stopped at the end."""
    made = Watched(dsn, out, actors, ttl_s, elsewhere)
    try:
        made.wait_for("actor_ready", actors)
        yield made
    finally:
        made.close()


def begun(out: Path) -> list[int]:
    """Return which processes have begun a batch, one after another."""
    path = out / "begun"
    return [int(line) for line in path.read_text().splitlines()] if path.exists() else []


def wait_for_begin(out: Path, before: int) -> int:
    """Wait until one more batch than `before` has begun; returns the process that did it last."""
    deadline = time.monotonic() + PATIENCE_S
    while len(found := begun(out)) <= before:
        if time.monotonic() > deadline:
            raise TimeoutError(f"no batch has begun for {PATIENCE_S} s")
        time.sleep(0.001)
    return found[-1]
