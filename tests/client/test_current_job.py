"""A handler of one job at a time can have the job itself: as a parameter, or asked for."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from typing import Any

import msgspec
import pytest

import actorq
from actorq import App, ConfigError, Job, cancel, current_job, done, fail, retry, testing
from actorq.actor.adapters import adapter_of
from actorq.actor.run import run_batch
from actorq.core.job.model import Counts
from actorq.pipe.page import Page
from tests.actor.support import work_of


@pytest.fixture
def app() -> App:
    return App("dbname=unused")


def told(job: Job[Any]) -> list[Any]:
    return [job.id, job.args, job.attempt, job.max_attempts, job.cancelled, job.deadline]


def test_a_parameter_annotated_job_is_no_arg(app: App) -> None:
    @app.actor("k", max_attempts=7)
    def k(path: str, job: Job[Any], width: int = 3) -> list[Any]:
        return [path, width, job.id, job.attempt, job.max_attempts, job.cancelled, job.deadline]

    assert k.codec.parameters == ("path", "width")
    assert testing.run(k, [("a", 5), "b"]) == [
        done(["a", 5, 1, 1, 7, False, None]),
        done(["b", 3, 2, 1, 7, False, None]),
    ]


def test_it_may_have_a_default_for_direct_calls(app: App) -> None:
    @app.actor("k")
    def k(n: int, job: actorq.Job[Any] | None = None) -> int | None:
        return None if job is None else job.id

    assert k(1) is None
    assert testing.run(k, [1]) == [done(1)]


def test_a_declared_kinds_handler_may_have_it_too(app: App) -> None:
    kind = app.kind("k", args=int)

    @kind.actor()
    def k(n: int, *, job: Job[int]) -> int:
        return n * 10 + job.args

    assert testing.run(kind, [1, 2]) == [done(11), done(22)]


def run(kind: Any, args: list[Any], notes: Any = None) -> list[Any]:
    """Run a batch whose jobs have been tried before, and return the results."""
    work = msgspec.structs.replace(work_of(args), notes=notes or {})
    said: list[Any] = []
    run_batch(adapter_of(kind.bound()), work, kind.codec, Page.private(len(args)), said.append)
    return [msgspec.json.decode(v.result) for message in said for v in message.verdicts]


def test_it_knows_its_attempt_and_when_its_time_is_over(app: App) -> None:
    @app.actor("k", job_timeout_s=50, batch_timeout_s=100)
    def k(n: int, job: Job[Any]) -> list[Any]:
        assert job.deadline is not None
        return [job.attempt, job.deadline - time.monotonic()]

    (first, left), (second, _) = run(k, [{"n": 1}, {"n": 2}], {1: Counts(attempt=4)})
    assert (first, second) == (1, 5)
    assert 0 < left <= 50


def test_a_batch_knows_when_its_time_is_over(app: App) -> None:
    @app.actor("k", batch_timeout_s=100)
    def k(batch: actorq.Batch[int]) -> list[float]:
        assert batch.deadline is not None
        assert batch.deadline == batch[0].deadline
        return [batch.deadline - time.monotonic() for _ in batch]

    assert 0 < run(k, [1])[0] <= 100


def deep() -> int:
    return current_job().id


def test_the_current_job_is_there_for_whatever_the_handler_calls(app: App) -> None:
    @app.actor("k")
    def k(n: int) -> list[Any]:
        job: Job[Any] = current_job()
        return [deep(), msgspec.to_builtins(job.args), job.attempt]

    assert testing.run(k, [7, 8]) == [done([1, {"n": 7}, 1]), done([2, {"n": 8}, 1])]
    for call in (current_job, deep):
        with pytest.raises(ConfigError, match="no job is run here"):
            call()


def test_asynchronous_jobs_have_each_their_own(app: App) -> None:
    @app.actor("k")
    async def k(n: int, job: Job[Any]) -> list[int]:
        first = deep()
        await asyncio.sleep(0.01 / n)
        return [first, deep(), job.id, await asyncio.to_thread(deep)]

    wanted = [done([n] * 4) for n in range(1, 9)]
    assert testing.run(k, list(range(1, 9))) == wanted


def test_a_batch_handler_is_sent_to_its_batch(app: App) -> None:
    @app.actor("k")
    def k(batch: actorq.Batch[int]) -> list[str]:
        with pytest.raises(ConfigError, match=r"has its jobs in batch\.jobs"):
            current_job()
        return ["refused"]

    assert testing.run(k, [1]) == [done("refused")]


def test_threads_have_it_in_a_copy_of_the_context_only(app: App) -> None:
    seen: list[Any] = []

    def look() -> None:
        try:
            seen.append(deep())
        except ConfigError:
            seen.append(None)

    @app.actor("k")
    def k(n: int) -> None:
        context = contextvars.copy_context()
        for target in (look, lambda: context.run(look)):
            thread = threading.Thread(target=target)
            thread.start()
            thread.join()

    testing.run(k, [1])
    assert seen == [None, 1]


def test_a_function_can_mark_its_job(app: App, caplog: pytest.LogCaptureFixture) -> None:
    @app.actor("k")
    def k(how: str, job: Job[Any]) -> Any:
        match how:
            case "fail":
                job.fail("no")
            case "retry":
                current_job().retry(3, "later")
            case "cancel":
                job.cancel("unwanted")
            case "done":
                job.done(5)
            case "raise":
                job.done(6)
                raise ValueError("after the mark")
            case "return":
                job.done(7)
                return 8
        return None

    ways = ["fail", "retry", "cancel", "done", "none", "raise", "return"]
    assert testing.run(k, ways) == [
        *(fail("no"), retry(3, "later"), cancel("unwanted"), done(5), done(), done(6), done(7)),
    ]
    told = [f"{record.getMessage()}: {record.exc_info[1]}" for record in caplog.records
            if record.exc_info]  # fmt: skip
    assert told == [
        "job 6 raised after it had its outcome, which stays: after the mark",
        "job 7 raised after it had its outcome, which stays: job 7 already has an outcome",
    ]
