"""chancy: 500 jobs at once in one event loop, eager polling, bulk by 5000."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from chancy import Chancy, Queue, Worker, job

from bench._peers import common

BULK = 5000
QUEUE = Queue(
    "default",
    concurrency=500,
    executor="chancy.executors.asyncex.AsyncExecutor",
    eager_polling=True,
)


@job()
async def noop(**args: Any) -> None:
    common.handle("noop", [args])


@job()
async def model(**args: Any) -> None:
    common.handle("model", [args])


@job()
async def stamp(**args: Any) -> None:
    common.handle("stamp", [args])


JOBS = {"noop": noop.job, "model": model.job, "stamp": stamp.job}


def setup(dsn: str) -> None:
    async def migrate() -> None:
        async with Chancy(dsn) as app:
            await app.migrate()
            await app.declare(QUEUE, upsert=True)

    asyncio.run(migrate())


def work(dsn: str) -> None:
    async def run() -> None:
        async with Chancy(dsn) as app, Worker(app) as worker:
            await worker.wait_for_shutdown()

    asyncio.run(run())


class Client:
    def __init__(self, app: Chancy) -> None:
        self._app = app

    async def one(self, kind: str, args: dict[str, Any]) -> None:
        await self._app.push(JOBS[kind].with_kwargs(**args))

    async def many(self, kind: str, items: list[dict[str, Any]]) -> None:
        jobs = [JOBS[kind].with_kwargs(**args) for args in items]
        async for _ in self._app.push_many(jobs, batch_size=BULK):
            pass


@asynccontextmanager
async def client(dsn: str) -> AsyncIterator[Client]:
    async with Chancy(dsn) as app:
        yield Client(app)
