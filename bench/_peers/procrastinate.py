"""procrastinate: 20 jobs at once in one event loop, LISTEN on, bulk by 1000."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import procrastinate

from bench._peers import common

BULK = 1000
tasks = procrastinate.Blueprint()


@tasks.task(name="noop")
async def noop(**args: Any) -> None:
    common.handle("noop", [args])


@tasks.task(name="model")
async def model(**args: Any) -> None:
    common.handle("model", [args])


@tasks.task(name="stamp")
async def stamp(**args: Any) -> None:
    common.handle("stamp", [args])


TASKS = {"noop": noop, "model": model, "stamp": stamp}


def app(dsn: str) -> procrastinate.App:
    connector = procrastinate.PsycopgConnector(conninfo=dsn, min_size=4, max_size=12)
    made = procrastinate.App(connector=connector)
    made.add_tasks_from(tasks, namespace="bench")
    return made


def setup(dsn: str) -> None:
    async def apply() -> None:
        async with app(dsn).open_async() as opened:
            await opened.schema_manager.apply_schema_async()

    asyncio.run(apply())


def work(dsn: str) -> None:
    async def run() -> None:
        async with app(dsn).open_async() as opened:
            await opened.run_worker_async(concurrency=20)

    asyncio.run(run())


class Client:
    async def one(self, kind: str, args: dict[str, Any]) -> None:
        await TASKS[kind].defer_async(**args)

    async def many(self, kind: str, items: list[dict[str, Any]]) -> None:
        for start in range(0, len(items), BULK):
            await TASKS[kind].batch_defer_async(*items[start : start + BULK])


@asynccontextmanager
async def client(dsn: str) -> AsyncIterator[Client]:
    async with app(dsn).open_async():
        yield Client()
