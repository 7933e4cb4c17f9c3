"""Mistakes in a declaration are said on its own line; what is meant twice is right or refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from actorq import App, Batch, ConfigError, Job, done, testing


@pytest.fixture
def app() -> App:
    return App("dbname=unused")


# ---- shapes ----


class HandlesOneArgument:
    def handle(self, x: int) -> None: ...


class HandlesNothing:
    def handle(self) -> None: ...


class HandlesTwo:
    def handle(self, batch: Batch[int], more: int) -> None: ...


class Both:
    def handle(self, batch: Batch[int]) -> None: ...
    def handle_one(self, x: int) -> None: ...


class NeedsModel:
    def __init__(self, model: str) -> None: ...
    def handle(self, batch: Batch[int]) -> None: ...


class BadSetup:
    def setup(self, slot: int, model: str) -> None: ...
    def handle(self, batch: Batch[int]) -> None: ...


class Yields:
    def handle(self, batch: Batch[int]) -> Any:
        yield 1


def list_of_int(batch: list[int]) -> None: ...
def sequence(batch: Sequence[str]) -> None: ...
def array(batch: np.ndarray) -> None: ...
def bare(batch): ...  # type: ignore[no-untyped-def]
def two(batch: Batch[int], more: int) -> None: ...
def second(x: int, batch: Batch[int]) -> None: ...
def keyword(*, batch: Batch[int]) -> None: ...
def batch_and_job(batch: Batch[int], job: Job[int] | None = None) -> None: ...
def two_jobs(a: Job[Any], b: Job[Any]) -> None: ...


@pytest.mark.parametrize(
    ("handler", "said"),
    [
        (HandlesOneArgument, r"handle is given whole batches, but its x is annotated int: annot"),
        (HandlesOneArgument, r"or call the method handle_one"),
        (HandlesNothing, r"called with a batch and nothing else"),
        (HandlesTwo, r"called with a batch and nothing else"),
        (Both, r"both handle and handle_one"),
        (NeedsModel, r"an actor makes it by NeedsModel\(\), without arguments; .* into setup"),
        (BadSetup, r"BadSetup.setup takes the number of its slot, or nothing"),
        (Yields, r"is a generator"),
        (list_of_int, r"list_of_int\(\) would be called once per job, but has a parameter batch "
         r"annotated list\[int\]: annotate it Batch\[int\]"),
        (sequence, r"annotate it Batch\[str\]"),
        (array, r"annotated ndarray: annotate it Batch"),
        (bare, r"but has a parameter batch: annotate it Batch\[…\]"),
        (two, r"called with a batch and nothing else"),
        (second, r"called with a batch and nothing else"),
        (keyword, r"called with a batch and nothing else"),
        (batch_and_job, r"its jobs are in the batch"),
        (two_jobs, r"a and b are both annotated Job"),
    ],
)  # fmt: skip
def test_a_mistake_is_said_where_it_is_made(app: App, handler: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        app.actor("k")(handler)
    assert "k" not in app.kinds
    kind = app.kind("declared")
    with pytest.raises(ConfigError, match=said):
        kind.actor()(handler)
    assert kind.handler is None


class Loose:
    def __init__(self, model: str = "small") -> None: ...
    def handle(self, batch): ...  # type: ignore[no-untyped-def]


class Static:
    @staticmethod
    def handle(batch: Batch[int]) -> None: ...


class Other:
    def setup(self, slot: int = 0, *more: Any) -> None: ...
    def handle(self, b: Batch[int], more: int = 1) -> None: ...


def number(batch: int) -> None: ...
def text(batch: str) -> None: ...
def mapping(batch: dict[str, int]) -> None: ...
def numbers(values: list[int]) -> None: ...
def optional(batch: Batch[int], more: int = 1) -> None: ...


@pytest.mark.parametrize(
    ("handler", "shape"),
    [
        (Loose, "class"), (Static, "class"), (Other, "class"), (optional, "batch"),
        (number, "job"), (text, "job"), (mapping, "job"), (numbers, "job"),
    ],
)  # fmt: skip
def test_what_can_be_called_is_taken(app: App, handler: Any, shape: str) -> None:
    app.actor("k")(handler)
    assert app.kinds["k"].shape == shape


# ---- per-job classes, and the job itself ----


class Thumb:
    """Work on one job at a time, with what setup has loaded."""

    def setup(self, slot: int) -> None:
        self.slot = slot

    def handle_one(self, path: str, width: int = 200, *, job: Job[Any]) -> list[Any]:
        return [path, width, self.slot, job.id, job.attempt]

    def teardown(self) -> None:
        Thumb.torn_down = True  # type: ignore[attr-defined]


class ThumbAsync:
    async def setup(self) -> None:
        self.ready = True

    async def handle_one(self, path: str) -> str:
        return f"{path} {self.ready}"


def test_a_class_can_handle_one_job_at_a_time(app: App) -> None:
    kind_of = app.actor("thumb", max_batch=2)
    assert kind_of(Thumb) is Thumb
    kind = app.kinds["thumb"]
    assert kind.codec.arrange(("a",), {"width": 3}) == {"path": "a", "width": 3}
    wanted = [done([path, width, 0, n, 1]) for path, width, n in [("a", 3, 1), ("b", 200, 2)]]
    assert testing.run(Thumb, [("a", 3), "b"]) == wanted
    assert Thumb.torn_down  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match="is not a function"):
        kind("a")


def test_and_so_can_an_asynchronous_one(app: App) -> None:
    app.actor("thumb")(ThumbAsync)
    assert testing.run(ThumbAsync, ["a", {"path": "b"}]) == [done("a True"), done("b True")]


def test_a_declared_kind_takes_a_class_of_one_argument(app: App) -> None:
    class One:
        def handle_one(self, n: int, job: Job[Any]) -> int:
            return n + job.attempt

    class Two:
        def handle_one(self, n: int, more: int) -> int:
            return n + more

    kind = app.kind("k", args=int)
    with pytest.raises(ConfigError, match=r"handle_one\(\) must take one argument, the args of"):
        kind.actor()(Two)
    kind.actor()(One)
    assert testing.run(kind, [1, 2]) == [done(2), done(3)]
