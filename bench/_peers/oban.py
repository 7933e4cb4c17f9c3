"""oban: 500 jobs at once in one event loop, uvloop, bulk by 2000."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvloop
from oban import Job, Oban, schema, worker

from bench._peers import common

BULK = 2000


@worker(queue="default")
class Noop:
    async def process(self, job: Job) -> None:
        common.handle("noop", [job.args])


@worker(queue="default")
class Model:
    async def process(self, job: Job) -> None:
        common.handle("model", [job.args])


@worker(queue="default")
class Stamp:
    async def process(self, job: Job) -> None:
        common.handle("stamp", [job.args])


WORKERS: dict[str, Any] = {"noop": Noop, "model": Model, "stamp": Stamp}


def setup(dsn: str) -> None:
    async def install() -> None:
        pool = await Oban.create_pool(dsn)
        await schema.install(pool)
        await pool.close()

    uvloop.run(install())


def work(dsn: str) -> None:
    async def run() -> None:
        pool = await Oban.create_pool(dsn, min_size=2, max_size=10)
        stopped = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
        async with Oban(pool=pool, queues={"default": 500}):
            await stopped.wait()
        await pool.close()

    uvloop.run(run())


class Client:
    def __init__(self, oban: Oban) -> None:
        self._oban = oban

    async def one(self, kind: str, args: dict[str, Any]) -> None:
        await self._oban.enqueue(WORKERS[kind].new(args))

    async def many(self, kind: str, items: list[dict[str, Any]]) -> None:
        for start in range(0, len(items), BULK):
            jobs = [WORKERS[kind].new(args) for args in items[start : start + BULK]]
            await self._oban.enqueue_many(jobs)


@asynccontextmanager
async def client(dsn: str) -> AsyncIterator[Client]:
    pool = await Oban.create_pool(dsn, min_size=2, max_size=10)
    try:
        async with Oban(pool=pool) as oban:
            yield Client(oban)
    finally:
        await pool.close()
