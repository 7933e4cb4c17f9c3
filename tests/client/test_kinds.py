"""Declaring kinds, binding handlers, and what goes wrong on the very line that is wrong."""

from __future__ import annotations

import math
import pickle
import uuid
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from actorq import App, Batch, ConfigError, Kind
from actorq.core.job.retry import Table
from tests.support.server import HOMES


class Doc(msgspec.Struct):
    path: str


class OtherDoc(msgspec.Struct):
    path: int


@pytest.fixture
def app() -> App:
    return App("dbname=unused")


def per_batch(batch: Batch[Doc]) -> None: ...
def per_untyped_batch(batch: Batch) -> None: ...  # type: ignore[type-arg]
def per_job(path: str, width: int = 1) -> str:
    """Say what it does."""
    return f"{path}@{width}"


async def per_job_async(path: str) -> None: ...


class Embed:
    def setup(self, slot: int) -> None: ...
    def handle(self, batch: Batch[Doc]) -> None: ...


def test_a_kind_apart_from_its_handler(app: App) -> None:
    embed = app.kind("embed", args=Doc, queue="gpu")
    assert (embed.name, embed.queue, embed.handler, app.kinds) == (
        "embed",
        "gpu",
        None,
        {"embed": embed},
    )
    settings: Any = {"actors": 2, "retry": [1, 2], "env": {"A": "b"}}
    bound = embed.actor(max_batch=256, min_batch=8, linger_ms=50, **settings)(Embed)
    assert bound is Embed
    assert (embed.handler, embed.shape, Embed.__actorq_kind__) == (Embed, "class", embed)  # type: ignore[attr-defined]
    policy = embed.policy
    assert (policy.max_batch, policy.linger_s, policy.actors) == (256, 0.05, 2)
    assert (policy.retry, policy.env, policy.queue) == (Table((1.0, 2.0)), {"A": "b"}, "gpu")


@pytest.mark.parametrize(
    ("handler", "shape", "type_"),
    [
        (per_batch, "batch", Doc),
        (per_untyped_batch, "batch", Any),
        (per_job, "job", None),
        (per_job_async, "job", None),
        (Embed, "class", Doc),
    ],
)
def test_kind_and_handler_in_one(app: App, handler: Any, shape: str, type_: Any) -> None:
    app.actor("k", queue="q", weight=2.0)(handler)
    kind = app.kinds["k"]
    assert (kind.shape, kind.queue, kind.policy.weight) == (shape, "q", 2.0)
    assert kind.handler is handler
    if type_ is not None:
        assert kind.codec.type is type_


def test_a_decorated_function_is_its_kind_and_still_a_function(app: App) -> None:
    thumbnail = app.actor("thumbnail")(per_job)
    assert isinstance(thumbnail, Kind)
    assert thumbnail("a", width=2) == "a@2"
    assert (thumbnail.__name__, thumbnail.__doc__) == ("per_job", "Say what it does.")  # type: ignore[attr-defined]
    assert thumbnail.__wrapped__ is per_job  # type: ignore[attr-defined]


def test_a_decorated_class_can_enqueue(app: App) -> None:
    class Local:
        enqueue_many = "its own"

        def handle(self, batch: Batch[Doc]) -> None: ...

    made = app.actor("k")(Local)
    assert made.enqueue.__self__ is app.kinds["k"]
    assert made.enqueue_many == "its own"


@pytest.mark.parametrize("name", ["", "a b", "x\n", "é", "x" * 129, None, 5])
def test_names_are_checked_where_they_are_written(app: App, name: Any) -> None:
    for call in (lambda: app.kind(name), lambda: app.actor(name)):
        with pytest.raises(ConfigError, match="not a legal name"):
            call()
    with pytest.raises(ConfigError, match="not a legal name"):
        app.kind("k", queue=name)


BAD_SETTINGS: list[tuple[dict[str, Any], str]] = [
    ({"max_batch": 0}, "kind 'k': max_batch=0 must be a whole number from 1 to 10,000"),
    ({"max_batch": 10**9}, "kind 'k': max_batch=1000000000"),
    ({"linger_ms": -1}, "kind 'k': linger_ms=-1 must be a number from 0 to 600,000"),
    ({"linger_ms": math.nan}, "linger_ms=nan"),
    ({"linger_ms": "5"}, "linger_ms='5'"),
    ({"batch_timeout_s": 0}, "batch_timeout_s=0 is less than 0.001 s: it must be"),
    ({"batch_timeout_s": math.inf}, "batch_timeout_s=inf"),
    ({"actors": -1}, "actors=-1"),
    ({"min_batch": 5}, "min_batch=5 needs linger_ms"),
    ({"linger_ms": 50}, "linger_ms=50 does nothing without min_batch"),
    ({"linger_ms": "2s", "max_batch": 9}, "linger_ms=2000 does nothing without min_batch"),
    ({"retry": "soon"}, "kind 'k': retry='soon' is not a retry policy"),
    ({"env": {"A": 1}}, "env: 'A' and its value must both be text"),
    ({"store_results": "no"}, "store_results='no' must be True or False"),
    ({"max_bach": 5}, "kind 'k': no setting 'max_bach'; there are max_batch, "),
]


@pytest.mark.parametrize(("settings", "said"), BAD_SETTINGS)
def test_settings_are_checked_where_they_are_written(
    app: App, settings: dict[str, Any], said: str
) -> None:
    calls: tuple[Callable[[], object], ...] = (
        lambda: app.actor("k", **settings),
        lambda: app.kind("k").actor(**settings),
    )
    for call in calls:
        with pytest.raises(ConfigError) as caught:
            call()
        assert said in str(caught.value)


def generator(batch: Batch[Doc]) -> Any:
    yield 1


class NoHandle: ...


def unreadable(batch: Batch[Missing]) -> None: ...  # type: ignore[name-defined]  # noqa: F821


@pytest.mark.parametrize(
    ("handler", "said"),
    [
        (NoHandle, "class NoHandle has no method handle"),
        (generator, "is a generator"),
        (5, "cannot be a handler"),
        (len, "cannot be a handler"),
        (Embed(), "cannot be a handler"),
        (unreadable, "a type hint cannot be read"),
    ],
)
def test_what_cannot_handle_is_refused(app: App, handler: Any, said: str) -> None:
    for decorate in (app.actor("k"), app.kind("j", args=Doc).actor()):
        with pytest.raises(ConfigError, match=said):
            decorate(handler)
    assert app.kinds["j"].handler is None
    assert "k" not in app.kinds


def test_one_name_one_type(app: App) -> None:
    kind = app.kind("k", args=Doc)
    assert app.kind("k", args=Doc) is kind
    with pytest.raises(ConfigError, match="'k' is declared already, with args Doc on queue 'def"):
        app.kind("k", args=OtherDoc)
    with pytest.raises(ConfigError, match="declared already"):
        app.kind("k", args=Doc, queue="other")
    with pytest.raises(ConfigError, match="declared already, on queue 'default'"):
        app.actor("k", queue="other")(per_batch)


def test_a_handler_must_take_what_the_kind_has(app: App) -> None:
    def takes_other(batch: Batch[OtherDoc]) -> None: ...
    def takes_nothing() -> None: ...
    def takes_two(path: str, text: str) -> None: ...
    def takes_one(doc: Doc) -> None: ...

    kind = app.kind("k", args=Doc)
    with pytest.raises(ConfigError, match="has args of type Doc, its handler takes OtherDoc"):
        kind.actor()(takes_other)
    for handler in (takes_nothing, takes_two):
        with pytest.raises(ConfigError, match="must take one argument, the args of kind 'k'"):
            kind.actor()(handler)
    made: object = kind.actor()(takes_one)
    assert made is kind
    assert kind.shape == "job"


def test_one_kind_one_handler_but_a_reload_replaces_it(app: App) -> None:
    first = app.actor("k", max_batch=3)(per_job)
    again = app.actor("k", max_batch=4)(per_job)
    assert app.kinds["k"] is again
    assert again.policy.max_batch == 4
    assert first is not again
    with pytest.raises(ConfigError, match="'k' has a handler already"):
        app.actor("k")(per_batch)


def test_binding_a_declared_kind_by_name(app: App) -> None:
    kind = app.kind("k", args=Doc)
    assert app.actor("k", max_batch=7)(Embed) is Embed
    assert app.kinds["k"] is kind
    assert kind.policy.max_batch == 7


def test_a_kind_can_be_pickled_without_its_app(app: App) -> None:
    kind = pickle.loads(pickle.dumps(app.kind("k", args=Doc, queue="q")))
    assert (kind.name, kind.queue, kind.codec.type, kind.client) == ("k", "q", Doc, None)
    with pytest.raises(ConfigError, match="belongs to no app here"):
        kind.enqueue(Doc("a"))


def test_a_kind_without_function_cannot_be_called(app: App) -> None:
    with pytest.raises(ConfigError, match="is not a function"):
        app.kind("k")({})


@pytest.mark.parametrize(
    "schema", ["", "x" * 49, "x" * 70, "pg_temp", "public", "A b", "a;b", 'a"b', "1a", "é", "a\n"]
)
def test_schema_names_are_checked(schema: str) -> None:
    with pytest.raises(ConfigError, match="schema name"):
        App("dbname=x", schema=schema)


@pytest.mark.parametrize("size", [0, -1, 2**30, "1", 1.5, True])
def test_the_size_of_args_has_bounds(size: Any) -> None:
    with pytest.raises(ConfigError, match=r"max_args_bytes=.* from 1 to 16,777,216"):
        App("dbname=x", max_args_bytes=size)


def test_a_dsn_and_a_private_server_exclude_each_other() -> None:
    with pytest.raises(ConfigError, match="dsn and embedded are both given"):
        App("dbname=x", embedded=True)


def test_a_private_server_is_started_migrated_and_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    from actorq import embedded

    HOMES.mkdir(mode=0o711, exist_ok=True)
    home = HOMES / uuid.uuid4().hex[:12]
    monkeypatch.setattr("actorq.embedded.server.default_home", lambda: home)
    with App(embedded=True) as app, App(embedded=True) as other:
        job = app.kind("k").enqueue({})
        assert other.job(job.id).state() == "ready"
        assert "embedded" in repr(app)
    embedded.remove(home)


def test_concurrency_is_for_async_functions_of_one_job() -> None:
    app = App("dbname=unused")

    @app.actor("fetch")
    async def fetch(url: str) -> None: ...

    @app.actor("many", concurrency=500)
    async def many(url: str) -> None: ...

    assert (fetch.policy.concurrency, many.policy.concurrency) == (100, 500)
    for handler in (_plain, _whole):
        with pytest.raises(ConfigError, match="concurrency=5 is for an `async def` of one"):
            app.actor("other", concurrency=5)(handler)
    with pytest.raises(ConfigError, match="concurrency=0 must be a whole number"):
        app.actor("other", concurrency=0)


def _plain(url: str) -> None: ...


async def _whole(batch: Batch[str]) -> None: ...


@pytest.mark.parametrize("fatal", ["ValueError", [ValueError, 3], int, ValueError()])
def test_fatal_takes_types_of_exceptions(fatal: object) -> None:
    with pytest.raises(ConfigError, match="is no type of exceptions"):
        App("dbname=unused").actor("k", fatal=fatal)


def test_one_fatal_type_is_enough() -> None:
    kind = App("dbname=unused").actor("k", fatal=ValueError)(_plain)
    assert kind.policy.fatal == (ValueError,)


def test_what_becomes_of_nan_is_said_with_either_declaration(app: App) -> None:
    codec = app.kind("early", args=list[float | None], nan="null").codec
    assert codec.encode([math.nan]) == b"[null]"
    late = app.actor("late", nan="string")(per_job)
    assert late.policy.nan == late.codec.nan == "string"
    app.actor("early", max_batch=7)(lists)
    assert app.kinds["early"].policy.nan == "null"
    assert app.kinds["early"].codec.encode([math.nan]) == b"[null]"
    assert app.kind("early", args=list[float | None]) is app.kinds["early"]
    with pytest.raises(ConfigError, match="declared already, with nan='null'"):
        app.kind("early", args=list[float | None], nan="string")
    again = pickle.loads(pickle.dumps(app.kinds["early"].codec))
    assert again.encode([math.nan]) == b"[null]"


def lists(batch: Batch[list[float | None]]) -> None: ...


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"nan": "NULL"}, "nan='NULL' must be one of 'null', 'string', 'error'"),
        ({"arrays": "json"}, "arrays='json' must be one of 'packed', 'list'"),
    ],
)
def test_a_wrong_choice_is_told_the_right_ones(app: App, settings: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        app.actor("k", **settings)
