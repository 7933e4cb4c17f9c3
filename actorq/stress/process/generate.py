"""A generator of load: a process of its own that sends jobs at the instants it is given.

It reads orders from its standard input and answers on its standard output, a JSON object a line.
First it makes all jobs of a step; then, from the instant that it is told, it only sends. Latency
counts from the instant at which a job was meant to be sent, so jobs that come late are sent late
and not left out, until they are so late that they are skipped and counted.
"""

from __future__ import annotations

import bisect
import os
import random
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from actorq.app import App
from actorq.args.options import Options
from actorq.client.client import Client
from actorq.core.job.policy import KindPolicy
from actorq.errors import StoreError, StoreUnavailable
from actorq.store.enqueue import enqueue
from actorq.store.enqueue.copy_data import Item, NewJob, Shared
from actorq.stress.core.arrivals import Arrival, arrivals_of, offsets
from actorq.stress.core.plan import Arrivals, StressKind

MAX_SENT = 5000
"""How many jobs a statement sends at most; more are due only after a stall."""

NAP_S = 0.05
TOLD_EVERY_S = 0.1
AGAIN_S = 0.1
"""How long to wait after the database did not take jobs."""


class Prepare(msgspec.Struct, frozen=True, kw_only=True, tag="prepare"):
    """An order to make the jobs of a step; they are numbered from `first_n`."""

    kinds: tuple[StressKind, ...]
    rate: float
    seconds: float
    arrivals: Arrivals
    seed: int
    g: int
    first_n: int
    skip_after_s: float
    warm_up_s: float = 0.0  # lags are told of what is due later
    at_once: int = 0  # instead of a rate: so many jobs, all due at the begin


class Go(msgspec.Struct, frozen=True, tag="go"):
    """An order to begin to send at an instant of the machine's monotonic clock."""

    at: float


class Halt(msgspec.Struct, frozen=True, tag="halt"):
    """An order to stop sending."""


class SentChunk(msgspec.Struct, frozen=True, array_like=True):
    """Jobs that one statement sent; instants in microseconds after the step's begin.

    It is doubtful where the statement's answer was lost, and refused where it was an error.
    """

    first_n: int
    n_jobs: int
    sent_us: int
    answered_us: int
    doubtful: bool
    refused: bool = False


class Prepared(msgspec.Struct, frozen=True, tag="prepared"):
    """The answer to Prepare."""

    n_jobs: int


class SentSoFar(msgspec.Struct, frozen=True, tag="so_far"):
    """How many jobs have been sent by now."""

    n_sent: int


class Sent(msgspec.Struct, frozen=True, kw_only=True, tag="sent"):
    """All that was sent in a step; `lags_ms` are those of at most 2000 jobs, in order."""

    chunks: list[SentChunk]
    intended: int
    skipped: int
    lags_ms: list[float]
    cpu_share: float
    starved_share: float
    database_share: float
    error: str = ""


LAGS = 2000
LOST = "the answer was lost"
"""What an error begins with if the connection was lost during the statement."""


class Made(msgspec.Struct):
    """The jobs of a step, ready to be sent: when each is due, and what is sent for it."""

    order: Prepare
    at_s: list[float]
    items: list[Item]
    arrivals: list[Arrival]
    is_plain: bool


def made(order: Prepare) -> Made:
    """Make all jobs of a step."""
    rng = random.Random(order.seed)
    if order.at_once:
        at_s = [0.0] * order.at_once
    else:
        at_s = offsets(order.rate, order.seconds, order.arrivals, rng)
    arrivals = arrivals_of(order.kinds, at_s, rng)
    numbered = enumerate(arrivals, order.first_n)
    items = [_item(order, n, arrival) for n, arrival in numbered]
    is_plain = len(order.kinds) == 1 and not order.kinds[0].delayed
    return Made(order, at_s, items, arrivals, is_plain)


def _item(order: Prepare, n: int, arrival: Arrival) -> Item:
    kind = order.kinds[arrival.kind]
    due_us = int((arrival.at_s + (kind.delay_s if arrival.delayed else 0.0)) * 1e6)
    fate = f',"x":"{arrival.flag}"' if arrival.flag else ""
    head = f'{{"n":{n},"g":{order.g},"t":{due_us}{fate},"p":"'
    args = f'{head}{"x" * (kind.payload_bytes - len(head) - 2)}"}}'.encode()
    return NewJob(args, arrival.key) if arrival.key else args


class Sender:
    """The sending of one step's jobs."""

    def __init__(self, client: Client, schema: str, step: Made, halt: threading.Event) -> None:
        self._client, self._step, self._halt = client, step, halt
        self._shared = [_shared(schema, kind) for kind in step.order.kinds]
        self.chunks: list[SentChunk] = []
        self.skipped = 0
        self.database_s = 0.0
        self.error = ""
        self._told_at = 0.0
        self._n_sent = 0

    def run(self, at: float) -> Sent:
        """Send all jobs from the instant on, each when it is due; return what was done."""
        time.sleep(max(0.0, at - time.monotonic()))
        position, dues = 0, self._step.at_s
        cpu_s, starved_s = time.process_time(), starved_for_s()
        while position < len(dues) and not self._halt.is_set():
            elapsed = time.monotonic() - at
            if dues[position] > elapsed:
                time.sleep(min(dues[position] - elapsed, NAP_S))
                continue
            position = self._send_due(position, elapsed, at)
        passed = max(time.monotonic() - at, 1e-9)
        cpu_s, starved_s = time.process_time() - cpu_s, starved_for_s() - starved_s
        waited_s = self.database_s - cpu_s - starved_s
        return Sent(
            chunks=self.chunks,
            intended=position,
            skipped=self.skipped,
            lags_ms=self._lags(),
            cpu_share=cpu_s / passed,
            starved_share=starved_s / passed,
            database_share=max(0.0, waited_s) / passed,
            error=self.error,
        )

    def _send_due(self, position: int, elapsed: float, at: float) -> int:
        """Send what is due, skip what is far too late; return the next position."""
        dues, order = self._step.at_s, self._step.order
        if not order.at_once:
            begin = bisect.bisect_left(dues, elapsed - order.skip_after_s, position)
            self.skipped += begin - position
            position = begin
        end = min(bisect.bisect_right(dues, elapsed, position), position + MAX_SENT)
        if end > position:
            end = self._send(position, end, at)
        self._tell()
        return end

    def _send(self, begin: int, end: int, at: float) -> int:
        """Send jobs; return how far they are dealt with: no further if nobody answers at all."""
        before, doubtful, refused, n_done = time.monotonic(), False, False, 0
        try:
            for shared, items in self._groups(begin, end):
                self._enqueue(shared, items)
                n_done += 1
        except StoreError as error:
            self.error = str(error)
            time.sleep(AGAIN_S)
            doubtful = n_done > 0 or LOST in self.error
            if isinstance(error, StoreUnavailable) and not doubtful:
                self.database_s += time.monotonic() - before
                return begin
            refused = not doubtful
        after = time.monotonic()
        self.database_s += after - before
        self._n_sent += end - begin
        first_n = self._step.order.first_n + begin
        sent_us, answered_us = int((before - at) * 1e6), int((after - at) * 1e6)
        self.chunks.append(SentChunk(first_n, end - begin, sent_us, answered_us, doubtful, refused))
        return end

    def _groups(self, begin: int, end: int) -> Iterator[tuple[Shared, Sequence[Item]]]:
        """Yield the jobs that one statement can send together."""
        step = self._step
        if step.is_plain:
            yield self._shared[0], step.items[begin:end]
            return
        groups: dict[tuple[int, bool], list[Item]] = defaultdict(list)
        for arrival, item in zip(step.arrivals[begin:end], step.items[begin:end], strict=True):
            groups[arrival.kind, arrival.delayed].append(item)
        for (n, delayed), items in groups.items():
            delay_s = step.order.kinds[n].delay_s if delayed else 0.0
            yield msgspec.structs.replace(self._shared[n], delay_s=delay_s), items

    def _enqueue(self, shared: Shared, items: Sequence[Item]) -> None:
        if len(items) == 1 and isinstance(items[0], bytes):
            self._client.do(enqueue.one(shared, items[0]), lost=LOST)
        elif shared.is_now:
            self._client.do(enqueue.many(shared, items, enqueue.OWN), lost=LOST)
        else:
            self._client.do(enqueue.many_with_ids(shared, items, enqueue.OWN), lost=LOST)

    def _tell(self) -> None:
        now = time.monotonic()
        if now - self._told_at >= TOLD_EVERY_S:
            self._told_at = now
            say(SentSoFar(self._n_sent))

    def _lags(self) -> list[float]:
        """Return how late jobs were sent, in ms: of every one, or of one in so many."""
        first_n, dues = self._step.order.first_n, self._step.at_s
        every = max(1, self._n_sent // LAGS)
        return sorted(
            chunk.sent_us / 1000 - dues[n - first_n] * 1000
            for chunk in self.chunks
            for n in range(chunk.first_n, chunk.first_n + chunk.n_jobs)
            if n % every == 0 and dues[n - first_n] >= self._step.order.warm_up_s
        )


def _shared(schema: str, kind: StressKind) -> Shared:
    return Shared.of(schema, KindPolicy(name=kind.name, queue=kind.queue), Options())


def starved_for_s() -> float:
    """Return for how long this process could have run, but got no processor; 0 if unknown."""
    try:
        return int(Path("/proc/self/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return 0.0


def say(answer: msgspec.Struct) -> None:
    """Answer on the standard output."""
    os.write(1, msgspec.json.encode(answer) + b"\n")


class Mailbox:
    """The orders that come, read by a thread so that sending can be stopped."""

    def __init__(self) -> None:
        self.halt = threading.Event()
        self._ready = threading.Semaphore(0)
        self._orders: list[Prepare | Go | None] = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        decode = msgspec.json.Decoder(Prepare | Go | Halt).decode
        for line in sys.stdin.buffer:
            order = decode(line)
            if isinstance(order, Halt):
                self.halt.set()
            else:
                self._put(order)
        self.halt.set()
        self._put(None)

    def _put(self, order: Prepare | Go | None) -> None:
        self._orders.append(order)
        self._ready.release()

    def next(self) -> Prepare | Go | None:
        """Return the next order; None when whoever gives them is gone."""
        self._ready.acquire()
        return self._orders.pop(0)


def main(schema: str) -> None:
    """Follow orders until the standard input ends; jobs go to the database of ACTORQ_DSN."""
    client, mailbox, step = App(schema=schema).client, Mailbox(), None
    while (order := mailbox.next()) is not None:
        if isinstance(order, Prepare):
            mailbox.halt.clear()
            step = made(order)
            client.state(0)  # opens the connection, which the first job need not wait for
            say(Prepared(len(step.items)))
        elif step is not None:
            say(Sender(client, schema, step, mailbox.halt).run(order.at))
    client.close()


if __name__ == "__main__":
    main(sys.argv[1])
