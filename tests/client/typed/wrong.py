"""Mistakes that type checkers must see, each on its line.

wrong: both see it. only pyright: mypy knows less there, as it says nothing of calls whose types
hold Any.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import actorq
from actorq.admin import Status
from actorq.events import Nothing  # wrong

app = actorq.App()


@dataclass
class Doc:
    text: str


@app.actor("thumb")
def thumb(path: str, job: actorq.Job[str]) -> str:
    left: float | None = job.deadline
    job.atempt  # wrong
    return f"{path} {left} {job.attempt}"


@app.actor("plain", max_bach=3)  # wrong
def misspelt(path: str) -> None: ...


@app.actor("plain")
def plain(path: str, width: int = 200) -> str:
    return f"{path} {width}"


@app.actor("embed")
def embed(batch: actorq.Batch[Doc]) -> list[int]:
    return [doc.txt for doc in batch.args]  # wrong


@app.actor("job_first")
def job_first(job: actorq.Job[str], path: str) -> str:
    return f"{path} {job.attempt}"


@app.actor("embed_class")
class Embed(actorq.Handler):
    def handle(self, batch: actorq.Batch[Doc]) -> None: ...


@app.actor("thumb_class")
class Thumb(actorq.Handler):
    def handle_one(self, path: str, width: int = 200) -> str:
        return f"{path} {width}"


docs = app.kind("docs", args=Doc)
numbers = app.kind("numbers", args=dict[str, int])

app.actor("k")(5)  # wrong
app.kind("k", arg=int)  # wrong
app.enqueue(5)  # wrong
app.run(drane=True)  # wrong

plain(5)  # wrong
plain("a.jpg").nothing()  # wrong
plain.enqueue(5)  # wrong
plain.enqueue(pth="a.jpg")  # wrong
plain.enqueue()  # wrong
plain.enqueue("a.jpg", "wide")  # wrong
plain.enqueue("a.jpg", prority=3)  # wrong
plain.enqueue("a.jpg", priority="high")  # wrong
plain.enqueue("a.jpg", delay_s=[])  # wrong
plain.enqueue("a.jpg", run_at="tomorrow")  # wrong
plain.enqueue("a.jpg", unique_key=3)  # wrong
plain.enqueu("a.jpg")  # wrong
plain.enqueue("a.jpg").attempt  # wrong
plain.enqueue_many(5)  # wrong
plain.enqueue_many(["a.jpg"], priority="high")  # wrong
ids: list[int] = plain.enqueue_many(["a.jpg"])  # wrong
thumb.enqueu("a.jpg")  # wrong
thumb.enqueue("a.jpg").attempt  # wrong
job_first.enqueue(5)  # wrong
job_first.enqueue(path=5)  # wrong

embed([Doc("x")])  # wrong
embed.enqueue("x")  # wrong
embed.enqueue("x", priority=3)  # wrong
embed.enqueue(Doc("x"), priority="high")  # wrong
embed.enqueue(Doc("x"), prority=3)  # wrong
embed.enqueue_many(["x"])  # wrong
docs.enqueue("x")  # wrong
docs.enqueue(Doc("x"), delay_s=[])  # wrong
docs.enqueue_many([Doc("x"), "y"])  # wrong
docs.enqueue_many([Doc("x")], unique_key="u")  # wrong
numbers.enqueue({"a": "b"})  # wrong
number: int | None = docs.enqueue(Doc("x")).result(str)  # wrong
docs.enqueue(Doc("x")).wait()  # wrong
number = docs.enqueue(Doc("x")).result(str, timeout_s=1)  # wrong
actorq.wait([1], timeout_s=1)  # wrong
actorq.wait([docs.enqueue(Doc("x"))])  # wrong

Embed.enqueue("x")  # wrong
Embed.enqueue(Doc("x"), priority="high")  # wrong
Embed.enqueue_many(["x"])  # wrong
Embed.nothing()  # wrong
Embed("x")  # wrong
Thumb.enqueue(5)  # wrong
Thumb.enqueue(pth="a.jpg")  # wrong
Thumb.enqueue("a.jpg", priority="high")  # wrong


@app.actor("any")
def takes_any(value: Any, width: int) -> int:
    return width


takes_any.enqueue(1, "wide")  # only pyright


async def enqueue() -> None:
    await plain.enqueue_async(5)  # wrong
    await docs.enqueue_async("x")  # wrong
    number: int = plain.enqueue_async("x")  # wrong
    print(number)


app.admin.jobs(state="dead")  # wrong
app.admin.prune(older_than="7d")  # wrong
app.admin.cancel("5")  # wrong
app.admin.job(5).job  # wrong


async def administer() -> None:
    found: Status = await app.async_admin.jobs()  # wrong
    await app.async_admin.jobs(stat="failed")  # wrong
    print(found)
