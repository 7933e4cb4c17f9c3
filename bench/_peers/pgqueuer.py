"""pgqueuer: batches of 500 from one connection, uvloop, bulk by 5000; payloads are bytes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import uvloop
from pgqueuer import PgQueuer, Queries
from pgqueuer.db import AsyncpgDriver
from pgqueuer.models import Job

from bench._peers import common

BATCH, BULK = 500, 5000


def setup(dsn: str) -> None:
    async def install() -> None:
        conn = await asyncpg.connect(dsn)
        await Queries(AsyncpgDriver(conn)).install()
        await conn.close()

    uvloop.run(install())


def work(dsn: str) -> None:
    async def run() -> None:
        conn = await asyncpg.connect(dsn)
        queue = PgQueuer(AsyncpgDriver(conn))

        @queue.entrypoint("noop")
        async def noop(job: Job) -> None:
            common.handle("noop", [{}])

        @queue.entrypoint("model")
        async def model(job: Job) -> None:
            common.handle("model", [json.loads(job.payload or b"")])

        @queue.entrypoint("stamp")
        async def stamp(job: Job) -> None:
            common.handle("stamp", [json.loads(job.payload or b"")])

        await queue.run(batch_size=BATCH)

    uvloop.run(run())


class Client:
    def __init__(self, queries: Queries) -> None:
        self._queries = queries

    async def one(self, kind: str, args: dict[str, Any]) -> None:
        await self._queries.enqueue(kind, json.dumps(args).encode())

    async def many(self, kind: str, items: list[dict[str, Any]]) -> None:
        for start in range(0, len(items), BULK):
            payloads = [json.dumps(args).encode() for args in items[start : start + BULK]]
            n = len(payloads)
            await self._queries.enqueue([kind] * n, payloads, [0] * n)


@asynccontextmanager
async def client(dsn: str) -> AsyncIterator[Client]:
    conn = await asyncpg.connect(dsn)
    try:
        yield Client(Queries(AsyncpgDriver(conn)))
    finally:
        await conn.close()
