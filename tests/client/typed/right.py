"""What users write and type checkers must let pass."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import actorq
from actorq.admin import History, JobRow, Pruned, Retried, Status
from actorq.events import ActorExited, AttemptFailed, Event, Events, line

app = actorq.App()


@dataclass
class Doc:
    text: str


@app.actor("thumb", max_batch=5)
def thumb(path: str, width: int = 200) -> str:
    return f"{path} {width}"


@app.actor("waits")
async def waits(path: str) -> int:
    return len(path)


@app.actor("embed", max_batch=64, min_batch=8, linger_ms=50)
def embed(batch: actorq.Batch[Doc]) -> list[int]:
    return [len(doc.text) for doc in batch.args]


@app.actor("job_first")
def job_first(job: actorq.Job[Any], path: str) -> str:
    return f"{path} {job.attempt}"


@app.actor("job_then")
def job_then(path: str, job: actorq.Job[str]) -> str:
    return f"{path} {job.attempt}"


@app.actor("job_last")
def job_last(path: str, width: int, it: actorq.Job[str] | None = None) -> str:
    return f"{path} {width} {it}"


@app.actor("job_named")
def job_named(path: str, width: int = 3, *, job: actorq.Job[str]) -> str:
    return f"{path} {width} {job.attempt}"


@app.actor("embed_class")
class Embed(actorq.Handler):
    def setup(self, slot: int) -> None:
        self.slot = slot

    def handle(self, batch: actorq.Batch[Doc]) -> list[int]:
        return [self.slot for _ in batch.args]


@app.actor("thumb_class")
class Thumb(actorq.Handler):
    def handle_one(self, path: str, width: int = 200) -> str:
        return f"{path} {width}"


@app.actor("class_with_job")
class WithJob(actorq.Handler):
    def handle_one(self, path: str, job: actorq.Job[Any]) -> str:
        return f"{path} {job.attempt}"


@app.actor("bare")
class Bare:
    def handle_one(self, path: str) -> None: ...


docs = app.kind("docs", args=Doc, queue="slow")
numbers = app.kind("numbers", args=dict[str, int])
either = app.kind("either", args=int | None)
anything = app.kind("anything")


@docs.actor(max_batch=3)
def index(batch: actorq.Batch[Doc]) -> None:
    for job in batch:
        job.done(job.args.text)


def enqueue() -> None:
    handle: actorq.JobHandle = thumb.enqueue("a.jpg")
    state: str | None = handle.state()
    number: int | None = handle.result(int)
    waited: int | None = handle.result(int, timeout_s="1m")
    final: str = handle.wait(timeout_s=timedelta(minutes=1))
    found, missing = actorq.wait([handle, thumb.enqueue("b.jpg")], n=1, timeout_s=60)
    both: set[actorq.JobHandle] = found | missing
    for job in actorq.as_completed(both, timeout_s=60):
        try:
            print(job.result(timeout_s=0), waited, final)
        except actorq.JobFailed as failed:
            print(failed.cause + failed.type + failed.message + failed.traceback)
    print(state, number, thumb("a.jpg").upper(), job_then.enqueue("a.jpg"))
    thumb.enqueue(path="a.jpg", width=3)
    thumb.enqueue("a.jpg", priority=3, delay_s="1h30m", tags=["x"], unique_key="u")
    thumb.enqueue("a.jpg", run_at=datetime.now(UTC) + timedelta(hours=1), key="k")
    job_first.enqueue("a.jpg")
    job_last.enqueue("a.jpg", 3)
    job_named.enqueue("a.jpg", width=2)
    embed.enqueue(Doc("x"))
    embed.enqueue(Doc("x"), max_attempts=3, queue="fast", conn=None)
    embed.enqueue(text="x")
    docs.enqueue(Doc("x"), delay_s=timedelta(hours=1))
    index.enqueue(Doc("x"))
    numbers.enqueue({"a": 1})
    either.enqueue(None)
    anything.enqueue([1, "x"], priority=1)
    app.enqueue("thumb", "a.jpg", priority=1)
    app.enqueue(thumb, "a.jpg")
    Embed.enqueue(Doc("x"), priority=3)
    Thumb.enqueue("a.jpg", width=3)
    Thumb.enqueue("a.jpg", priority=3)
    WithJob.enqueue("a.jpg")


def enqueue_many() -> None:
    n: int = thumb.enqueue_many(["a.jpg", ("b.jpg", 3), {"path": "c.jpg"}])
    ids: list[int] = embed.enqueue_many([Doc("x")], return_ids=True)
    n += docs.enqueue_many((Doc(text) for text in "abc"), key=lambda doc: str(doc))
    n += Embed.enqueue_many([Doc("x")], unique_key=str) + Thumb.enqueue_many(["a"])
    print(n, ids)


async def items() -> AsyncIterator[Doc]:
    yield Doc("x")


async def enqueue_async() -> None:
    handle: actorq.JobHandle = await thumb.enqueue_async("a.jpg")
    await embed.enqueue_async(Doc("x"), priority=3)
    n: int = await docs.enqueue_many_async(items())
    ids: list[int] = await docs.enqueue_many_async([Doc("x")], return_ids=True)
    length: int = await waits("a.jpg")
    waited: int | None = await handle.result_async(int, timeout_s=1)
    final: str = await handle.wait_async(timeout_s=1)
    done, _ = await actorq.wait_async([handle], timeout_s=1)
    async for job in actorq.as_completed_async(done, timeout_s=1):
        print(job.id, waited, final)
    print(handle, n, ids, length, await Embed.enqueue_async(Doc("x")), await handle.state_async())


def administer() -> None:
    status: Status = app.admin.status()
    found: list[JobRow] = app.admin.jobs(state="failed", limit=5)
    history: History | None = app.admin.job(5)
    again: Retried = app.admin.retry(kind="embed", limit=1_000_000, progress=print)
    print(status, found, history, again)


async def administer_async() -> None:
    status: Status = await app.async_admin.status()
    pruned: Pruned = await app.async_admin.prune(older_than_s="7d", state=["failed"])
    print(status, pruned)


def follow(event: Event) -> None:
    if isinstance(event, AttemptFailed):
        print(line(event))
    elif isinstance(event, ActorExited):
        print(event.kind)


if __name__ == "__main__":
    Events(follow)
    Embed().setup(0)
    asyncio.run(enqueue_async())
    raise SystemExit(app.run(drain=False, ttl_s="30s"))
