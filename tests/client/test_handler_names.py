"""What is declared under one name, or twice, is right or refused; decorators around handlers."""

from __future__ import annotations

import functools
import importlib
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from actorq import App, ArgsInvalid, Batch, ConfigError, Kind, done, testing


@pytest.fixture
def app() -> App:
    return App("dbname=unused")


# ---- one name, several meanings ----


def test_a_subclass_is_a_handler_of_its_own(app: App) -> None:
    @app.actor("base")
    class Base:
        def handle(self, batch: Batch[int]) -> list[str]:
            return [f"base {n}" for n in batch.args]

    @app.actor("fine")
    class Fine(Base):
        def handle(self, batch: Batch[int]) -> list[str]:
            return [f"fine {n}" for n in batch.args]

    class Undecorated(Fine):
        enqueue = "its own"

    for name, made in (("base", Base), ("fine", Fine)):
        assert all(getattr(made, call).__self__ is app.kinds[name] for call in CALLS)
        assert testing.run(made, [1]) == [done(f"{name} 1")]
    with pytest.raises(ConfigError, match="is no kind of job"):
        testing.run(Undecorated, [1])
    assert app.actor("own")(Undecorated).enqueue == "its own"


CALLS = ("enqueue", "enqueue_many", "enqueue_async", "enqueue_many_async")


def test_one_class_is_the_handler_of_one_kind(app: App) -> None:
    with pytest.raises(ConfigError, match="handler of kind 'one' already, and its enqueue can"):

        @app.actor("two")
        @app.actor("one")
        class Twice:
            def handle(self, batch: Batch[int]) -> None: ...

    assert list(app.kinds) == ["one"]


def test_another_app_may_have_the_same_class(app: App) -> None:
    class Shared:
        def handle(self, batch: Batch[int]) -> None: ...

    app.actor("one")(Shared)
    later = App("dbname=unused")
    later.actor("two")(Shared)
    assert Shared.enqueue.__self__ is later.kinds["two"]  # type: ignore[attr-defined]


def test_a_function_is_decorated_once(app: App) -> None:
    with pytest.raises(ConfigError, match="is a kind already"):

        @app.actor("two")
        @app.actor("one")
        def twice(n: int) -> None: ...


def test_two_functions_of_one_name_do_not_replace_each_other(app: App) -> None:
    @app.actor("thumb")
    def thumb(path: str) -> None: ...

    first = thumb
    with pytest.raises(ConfigError, match=r"'thumb' has a handler already: .*thumb at .*:\d+; now"):

        @app.actor("thumb")
        def thumb(path: str, width: int) -> None: ...

    assert app.kinds["thumb"] is first


def test_nor_do_two_classes(app: App) -> None:
    def declare(make: Callable[[], type]) -> None:
        app.actor("k")(make())

    class One:
        def handle(self, batch: Batch[int]) -> None: ...

    first = One

    class One:  # type: ignore[no-redef]
        def handle(self, batch: Batch[int]) -> None: ...

    declare(lambda: first)
    with pytest.raises(ConfigError, match="has a handler already"):
        declare(lambda: One)


def test_a_module_loaded_again_replaces_its_handlers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "reloaded_app.py").write_text("import actorq\napp = actorq.App('dbname=x')\n")
    handlers = tmp_path / "reloaded_handlers.py"
    text = "from reloaded_app import app\n@app.actor('k')\ndef k(n: int) -> int: return {}\n"
    handlers.write_text(text.format(1))
    try:
        app = importlib.import_module("reloaded_app").app
        module = importlib.import_module("reloaded_handlers")
        assert testing.run(app.kinds["k"], [0]) == [done(1)]
        handlers.write_text("\n# a line more: the function stands elsewhere\n" + text.format(22))
        importlib.reload(module)
        assert testing.run(app.kinds["k"], [0]) == [done(22)]
    finally:
        for name in ("reloaded_app", "reloaded_handlers"):
            sys.modules.pop(name, None)


@pytest.mark.parametrize("again", ["def k(n: int) -> int: return 2", "x = 1\ndef k(n): return 2"])
def test_a_cell_of_a_notebook_run_again_replaces_its_handler(app: App, again: str) -> None:
    namespace: dict[str, Any] = {"app": app, "__name__": "cells"}
    for n, text in enumerate(["def k(n: int) -> int: return 1", again]):
        cell = text.replace("def", "@app.actor('k')\ndef")
        exec(compile(cell, f"<cell {n}>", "exec"), namespace)
    assert testing.run(app.kinds["k"], [0]) == [done(2)]


def test_what_decorates_a_kind_enqueues_as_it_does(app: App) -> None:
    @functools.lru_cache
    @app.actor("k")
    def k(n: int) -> int:
        return n

    kind = app.kinds["k"]
    assert isinstance(kind, Kind)
    assert k(3) == 3
    assert all(getattr(k, call).__self__ is kind for call in CALLS)
    assert testing.kind_of(k) is kind


def test_a_decorator_without_its_name_says_how_it_is_written() -> None:
    app = App()
    with pytest.raises(ConfigError, match=r'write @app.actor\("shrink"\)'):

        @app.actor  # type: ignore[arg-type]
        def shrink(path: str) -> None: ...


@pytest.mark.parametrize(
    "wrong", [{"kinds": "shrink"}, {"queues": "default"}, {"queues": []}], ids=str
)
def test_one_name_or_none_is_no_list_of_names(wrong: Any) -> None:
    app = App("dbname=nowhere")

    @app.actor("shrink")
    def shrink(path: str) -> None: ...

    with pytest.raises(ConfigError, match="give a list of names"):
        app.drain(**wrong)


def test_a_subclass_that_is_no_actor_enqueues_nothing_of_its_base(app: App) -> None:
    @app.actor("base")
    class Base:
        def handle(self, batch: Batch[int]) -> None: ...

    class Fine(Base):
        pass

    for name in ("enqueue", "enqueue_many", "enqueue_async", "enqueue_many_async"):
        with pytest.raises(ConfigError, match="Fine is not an actor; its base Base is, of kind"):
            getattr(Fine, name)(1)
    assert Base.enqueue == Base().enqueue == app.kinds["base"].enqueue  # type: ignore[attr-defined]
    assert app.actor("fine")(Fine).enqueue == app.kinds["fine"].enqueue


def _injects(function: Any) -> Any:
    @functools.wraps(function)
    def inner(path: str) -> Any:
        return function(path, "db")

    return inner


def _adds(function: Any) -> Any:
    @functools.wraps(function)
    def inner(path: str, verbose: bool = False) -> Any:
        return f"{function(path)}{verbose}"

    return inner


def _passes_on(function: Any) -> Any:
    @functools.wraps(function)
    def inner(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs).upper()

    return inner


def _states(function: Any) -> Any:
    @functools.wraps(function)
    def inner(**kwargs: Any) -> Any:
        return function(db="db", **kwargs)

    parameters = inspect.signature(function).parameters
    inner.__signature__ = inspect.Signature([parameters["path"]])  # type: ignore[attr-defined]
    return inner


def _of_batch(function: Any) -> Any:
    @functools.wraps(function)
    def inner(batch: Any) -> Any:
        return [function(path) for path in batch.args]

    return inner


def _by_position(function: Any) -> Any:
    @functools.wraps(function)
    def inner(*args: Any) -> Any:
        return function(*args)

    return inner


def _joined(path: str, db: str = "none") -> str:
    return path + db


@pytest.mark.parametrize(
    ("decorate", "sent", "result"),
    [
        (_injects, {"path": "a"}, "adb"),
        (_adds, {"path": "a", "verbose": True}, "anoneTrue"),
        (_passes_on, {"path": "a", "db": "b"}, "AB"),
        (lambda function: _passes_on(_injects(function)), {"path": "a"}, "ADB"),
        (lambda function: _injects(_passes_on(function)), {"path": "a"}, "ADB"),
        (_states, {"path": "a"}, "adb"),
    ],
)
def test_a_decorator_below_that_has_parameters_of_its_own_has_those_of_the_jobs(
    decorate: Any, sent: dict[str, Any], result: str
) -> None:
    kind = App("host=nowhere").actor("k")(decorate(_joined))
    (said,) = testing.run(kind, [sent])
    assert isinstance(said, done)
    assert said.result == result
    with pytest.raises(ArgsInvalid, match="no parameter 'other'"):
        testing.run(kind, [{**sent, "other": 1}])


@pytest.mark.parametrize(
    ("decorate", "said"),
    [
        (_of_batch, "has a parameter batch: annotate it"),
        (_by_position, r"does not take 'path' by name.*write \*args, \*\*kwargs"),
        (lambda function: lambda *args, **kwargs: function(*args, **kwargs), "functools.wraps"),
    ],
)
def test_a_decorator_below_that_no_job_can_be_given_to_is_refused(decorate: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        App("host=nowhere").actor("k")(decorate(_joined))


@pytest.mark.parametrize("wrong", ["abc", "12", None, 1.5, True])
def test_what_is_no_id_names_no_job(app: App, wrong: Any) -> None:
    with pytest.raises(TypeError, match="give the id of a job, a whole number"):
        app.job(wrong)
