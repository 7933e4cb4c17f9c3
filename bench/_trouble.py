"""Kinds that get into trouble; light, for each of their many processes imports this."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import msgspec

import actorq

MAX_BATCH = int(os.environ.get("BENCH_BATCH", "20"))
CALL_S = float(os.environ.get("BENCH_CALL_S", "0.01"))
"""How long one call takes, however many jobs it has."""
JOB_S = float(os.environ.get("BENCH_JOB_S", "0"))
"""How much longer it takes for each of them."""
SETUP_S = float(os.environ.get("BENCH_SETUP_S", "0"))

app = actorq.App()


class Args(msgspec.Struct):
    """Number a job, and say whether it kills its process."""

    n: int
    kills: bool = False


@app.actor("bench.service", max_batch=MAX_BATCH)
def service(batch: actorq.Batch[Args]) -> None:
    """Ask a service that is down while the file BENCH_DOWN is there."""
    time.sleep(CALL_S)
    if Path(os.environ["BENCH_DOWN"]).exists():
        raise ConnectionError("the service is down")


class Model:
    """Take long to set up, and die of some of the jobs."""

    def setup(self) -> None:
        """Load what is simulated by waiting."""
        time.sleep(SETUP_S)


@app.actor("bench.killed", max_batch=MAX_BATCH, crash_budget=1)
class Killed(Model):
    """Work on all jobs at once: which one is running, nobody knows."""

    def handle(self, batch: actorq.Batch[Args]) -> None:
        """Work, and die at the end if a killer is among them: the work of all is lost."""
        time.sleep(CALL_S + JOB_S * len(batch))
        if any(args.kills for args in batch.args):
            os.kill(os.getpid(), signal.SIGKILL)


@app.actor("bench.killed_marked", max_batch=MAX_BATCH, crash_budget=1)
class KilledMarked(Model):
    """Work on one job after the other, in a loop that marks them."""

    def handle(self, batch: actorq.Batch[Args]) -> None:
        """Work, and die of each killer."""
        for job in batch:
            time.sleep(JOB_S)
            if job.args.kills:
                os.kill(os.getpid(), signal.SIGKILL)
