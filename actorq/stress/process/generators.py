"""The generators of a test, seen from the process that gives them orders."""

from __future__ import annotations

import queue
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from actorq.errors import ActorqError
from actorq.stress.core.arrivals import split
from actorq.stress.core.figures import SentFigures
from actorq.stress.core.plan import StressPlan
from actorq.stress.process.child import LoggedChild
from actorq.stress.process.generate import Go, Halt, Prepare, Prepared, Sent, SentChunk, SentSoFar

PROGRAM = (sys.executable, "-P", "-m", "actorq.stress.process.generate")
MAKE_S = 120.0
SOON_S = 0.05
"""How far ahead the begin of a step is, so that all generators have heard of it by then."""

STOP_S = 5.0

Reply = Prepared | SentSoFar | Sent


class StepLoad(NamedTuple):
    """What the generators are to send in a step: a rate for a while, or jobs all at once."""

    rate: float
    seconds: float
    at_once: int = 0
    skip_after_s: float = 0.0  # if not as the plan says


class StepSent(NamedTuple):
    """What all generators sent: the statements by generator, and their figures."""

    chunks: list[tuple[int, SentChunk]]
    figures: SentFigures


class Generator:
    """One generator's process."""

    def __init__(self, g: int, program: Sequence[str], schema: str, env: Mapping[str, str],
                 log: Path) -> None:  # fmt: skip
        self.g = g
        self.child = LoggedChild([*program, schema], env, log, talks=True)
        self.n_sent = 0
        self.next_n = 0
        self._replies: queue.SimpleQueue[Prepared | Sent | None] = queue.SimpleQueue()
        threading.Thread(target=self._read, name=f"generator {g}", daemon=True).start()

    def _read(self) -> None:
        decode = msgspec.json.Decoder(Reply).decode
        assert self.child.process.stdout is not None
        try:
            for line in self.child.process.stdout:
                reply = decode(line)
                if isinstance(reply, SentSoFar):
                    self.n_sent = reply.n_sent
                else:
                    self._replies.put(reply)
        finally:
            self._replies.put(None)

    def order(self, order: Prepare | Go | Halt) -> None:
        """Give an order; raises ActorqError if its process has ended."""
        pipe = self.child.process.stdin
        assert pipe is not None
        try:
            pipe.write(msgspec.json.encode(order) + b"\n")
            pipe.flush()
        except OSError:
            raise self._gone() from None

    def reply(self, wait_s: float) -> Prepared | Sent:
        """Return the next reply; raises ActorqError if none comes within `wait_s`."""
        try:
            reply = self._replies.get(timeout=wait_s)
        except queue.Empty:
            raise ActorqError(f"generator {self.g} did not answer within {wait_s:g} s") from None
        if reply is None:
            raise self._gone()
        return reply

    def _gone(self) -> ActorqError:
        return ActorqError(f"generator {self.g} has ended: {self.child.tail() or 'without a word'}")


class Generators:
    """All generators of a test."""

    def __init__(self, plan: StressPlan, schema: str, dsn: str, directory: Path,
                 program: Sequence[str] = PROGRAM) -> None:  # fmt: skip
        self._plan = plan
        n = plan.load.generators if plan.load else 1
        env = {"ACTORQ_DSN": dsn}
        log = directory / "generators.log"
        self.all = [Generator(g, program, schema, env, log) for g in range(n)]

    @property
    def pids(self) -> list[int]:
        """Return the process ids."""
        return [one.child.pid for one in self.all]

    @property
    def n_sent(self) -> int:
        """Return how many jobs of the present step have been sent, as far as it was told."""
        return sum(one.n_sent for one in self.all)

    def prepare(self, load: StepLoad, seed: int) -> int:
        """Have the jobs of a step made; return how many they are."""
        shares = split(load.at_once, len(self.all))
        for one, at_once in zip(self.all, shares, strict=True):
            one.n_sent = 0
            one.order(self._order(one, load, at_once, seed))
        n_jobs = 0
        for one in self.all:
            reply = one.reply(MAKE_S)
            assert isinstance(reply, Prepared)
            one.next_n += reply.n_jobs
            n_jobs += reply.n_jobs
        return n_jobs

    def _order(self, one: Generator, load: StepLoad, at_once: int, seed: int) -> Prepare:
        settings = self._plan.load
        return Prepare(
            kinds=self._plan.kinds,
            rate=load.rate / len(self.all),
            seconds=0.0 if load.at_once else load.seconds,
            arrivals=settings.arrivals if settings else "poisson",
            seed=seed * 1000 + one.g,
            g=one.g,
            first_n=one.next_n,
            skip_after_s=load.skip_after_s or (settings.skip_after_s if settings else 1.0),
            warm_up_s=settings.warm_up_s if settings and not load.at_once else 0.0,
            at_once=at_once,
        )

    def go(self) -> float:
        """Let the sending begin; return the instant of that on the monotonic clock."""
        at = time.monotonic() + SOON_S
        for one in self.all:
            one.order(Go(at))
        return at

    def halt(self) -> None:
        """Stop the sending of this step."""
        for one in self.all:
            one.order(Halt())

    def finish(self, wait_s: float, late_ms: float) -> StepSent:
        """Wait for the end of the sending, and return what was sent."""
        sent = []
        for one in self.all:
            reply = one.reply(wait_s)
            assert isinstance(reply, Sent)
            sent.append((one.g, reply))
        chunks = [(g, chunk) for g, each in sent for chunk in each.chunks]
        return StepSent(chunks, figures_of([each for _, each in sent], late_ms))

    def close(self) -> None:
        """End all generators."""
        for one in self.all:
            pipe = one.child.process.stdin
            if pipe is not None:
                _quietly(pipe.close)
        for one in self.all:
            one.child.stop(STOP_S)


def _quietly(close: Callable[[], object]) -> None:
    try:
        close()
    except OSError:
        return


def figures_of(sent: Sequence[Sent], late_ms: float) -> SentFigures:
    """Return the figures of several generators together."""
    lags = sorted(lag for each in sent for lag in each.lags_ms)
    n_sent = [sum(chunk.n_jobs for chunk in each.chunks) for each in sent]
    late = [
        sum(lag > late_ms for lag in each.lags_ms) / max(1, len(each.lags_ms)) * n
        for each, n in zip(sent, n_sent, strict=True)
    ]
    return SentFigures(
        intended=sum(each.intended for each in sent),
        sent=sum(n_sent),
        skipped=sum(each.skipped for each in sent),
        late=round(sum(late)),
        doubtful=sum(c.n_jobs for each in sent for c in each.chunks if c.doubtful),
        refused=sum(c.n_jobs for each in sent for c in each.chunks if c.refused),
        error=next((each.error for each in reversed(sent) if each.error), ""),
        lag_p50_ms=_at(lags, 0.5),
        lag_p99_ms=_at(lags, 0.99),
        lag_max_ms=_at(lags, 1.0),
        cpu_share=round(max((each.cpu_share for each in sent), default=0.0), 3),
        starved_share=round(max((each.starved_share for each in sent), default=0.0), 3),
        database_share=round(max((each.database_share for each in sent), default=0.0), 3),
    )


def _at(ordered: Sequence[float], share: float) -> float:
    place = min(len(ordered) - 1, int(len(ordered) * share))
    return round(ordered[place], 3) if ordered else 0.0
