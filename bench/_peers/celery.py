"""celery with celery-batches on Redis: prefork with one child, 200 messages or 50 ms a batch."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from celery import Celery
from celery_batches import Batches

from bench._peers import common

FLUSH_EVERY, FLUSH_S = 200, 0.05
app = Celery("bench", broker=os.environ.get("BENCH_REDIS", ""))
app.conf.update(
    worker_prefetch_multiplier=FLUSH_EVERY,
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
    task_ignore_result=True,
)
BATCHED: Any = {"base": Batches, "flush_every": FLUSH_EVERY, "flush_interval": FLUSH_S}


@app.task(name="noop", **BATCHED)
def noop(requests: list[Any]) -> None:
    common.handle("noop", [request.kwargs for request in requests])
    common.handled(len(requests))


@app.task(name="model", **BATCHED)
def model(requests: list[Any]) -> None:
    common.handle("model", [request.kwargs for request in requests])
    common.handled(len(requests))


@app.task(name="stamp")
def stamp(**args: Any) -> None:
    """Note the time: not batched, for a batch waits to be full."""
    common.handle("stamp", [args])


TASKS: dict[str, Any] = {"noop": noop, "model": model, "stamp": stamp}


def setup(dsn: str) -> None:
    app.control.purge()


def work(dsn: str) -> None:
    app.worker_main(
        ["worker", "--pool=prefork", "-c", "1", "--loglevel=ERROR", "-n", f"{os.getpid()}@%h"]
    )


class Client:
    def __init__(self, producer: Any) -> None:
        self._producer = producer

    async def one(self, kind: str, args: dict[str, Any]) -> None:
        TASKS[kind].apply_async(kwargs=args, producer=self._producer)

    async def many(self, kind: str, items: list[dict[str, Any]]) -> None:
        for args in items:
            TASKS[kind].apply_async(kwargs=args, producer=self._producer)


@asynccontextmanager
async def client(dsn: str) -> AsyncIterator[Client]:
    with app.producer_pool.acquire(block=True) as producer:
        yield Client(producer)
