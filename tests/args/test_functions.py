"""The args of a plain function are its own parameters, by name."""

from __future__ import annotations

import inspect
import pickle
from typing import Any

import pytest

from actorq.args.codec import ArgsCodec
from actorq.args.options import OPTIONS, Many, One, Options
from actorq.errors import ArgsInvalid, ConfigError
from actorq.kind import Kind


def thumbnail(path: str, width: int = 200, *, crop: bool = False, tags_: list[str] = ["x"]) -> Any:  # noqa: B006
    return path, width, crop, tags_


def untyped(a, b=None):  # type: ignore[no-untyped-def]
    return a, b


CODEC = ArgsCodec.of_function(thumbnail)


def enqueued(*args: Any, **kwargs: Any) -> bytes:
    return CODEC.encode(CODEC.arrange(args, kwargs))


@pytest.mark.parametrize(
    ("args", "kwargs", "stored"),
    [
        (("a",), {}, b'{"path":"a"}'),
        (("a", 3), {}, b'{"path":"a","width":3}'),
        ((), {"path": "a", "crop": True}, b'{"path":"a","crop":true}'),
    ],
)
def test_what_the_caller_says_is_stored_and_no_more(args: Any, kwargs: Any, stored: bytes) -> None:
    assert enqueued(*args, **kwargs) == stored


def test_defaults_are_those_of_the_function_that_runs() -> None:
    assert CODEC.call(thumbnail, CODEC.decode(b'{"path":"a"}')) == ("a", 200, False, ["x"])
    assert CODEC.call(thumbnail, CODEC.decode(b'{"path":"a","width":1}'))[1] == 1


@pytest.mark.parametrize(
    ("args", "kwargs", "said"),
    [
        ((), {}, "path"),
        ((1,), {}, "Expected `str`, got `int`"),
        (("a", "b"), {}, "Expected `int`, got `str`"),
        (("a",), {"widht": 3}, "has no parameter 'widht': it has path, width, crop, tags_"),
        (("a",), {"path": "b"}, "two values for 'path'"),
        (("a", 1, True, [], 5), {}, "takes 4 arguments, 5 were given"),
    ],
)
def test_a_wrong_call_is_refused_at_enqueue(args: Any, kwargs: Any, said: str) -> None:
    with pytest.raises(ArgsInvalid, match=said):
        enqueued(*args, **kwargs)


@pytest.mark.parametrize("text", [b'{"path":"a","junk":1}', b"[]", b'{"width":1}'])
def test_foreign_args_are_refused_in_the_actor(text: bytes) -> None:
    with pytest.raises(ArgsInvalid, match="do not fit thumbnail"):
        CODEC.decode(text)


def test_parameters_without_annotations_take_anything() -> None:
    codec = ArgsCodec.of_function(untyped)
    value = codec.decode(codec.encode(codec.arrange(([1, {"x": None}],), {})))
    assert codec.call(untyped, value) == ([1, {"x": None}], None)


def test_items_of_a_bulk_enqueue() -> None:
    assert CODEC.arrange_item({"path": "a"}) == {"path": "a"}
    assert CODEC.arrange_item(("a", 3)) == {"path": "a", "width": 3}
    assert CODEC.arrange_item("a") == {"path": "a"}
    assert ArgsCodec().arrange_item(("a", 3)) == ("a", 3)


def test_one_value_or_its_fields_for_a_declared_type() -> None:
    codec = ArgsCodec(dict[str, int])
    assert codec.arrange(({"a": 1},), {}) == {"a": 1}
    assert codec.arrange((), {"a": 1}) == {"a": 1}
    for args, kwargs in [((1, 2), {}), ((1,), {"a": 1})]:
        with pytest.raises(ArgsInvalid, match="give one value"):
            codec.arrange(args, kwargs)


def test_a_function_without_parameters() -> None:
    def ping() -> str:
        return "pong"

    codec = ArgsCodec.of_function(ping)
    assert codec.encode(codec.arrange((), {})) == b"{}"
    assert codec.call(ping, codec.decode(b"{}")) == "pong"


def many(*paths: str) -> None: ...
def keywords(**options: str) -> None: ...
def nameless(a: int, /) -> None: ...
def option(key: str) -> None: ...
def unknown(a: Missing) -> None: ...  # type: ignore[name-defined]  # noqa: F821


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (many, "has no name of its own"),
        (keywords, "has no name of its own"),
        (nameless, "has no name of its own"),
        (option, "'key' has the name of an option of enqueue"),
        (unknown, "a type hint cannot be read: NameError"),
    ],
)
def test_signatures_that_cannot_be_named_args(function: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        ArgsCodec.of_function(function)


def test_no_option_of_enqueue_is_forgotten() -> None:
    checked = set(Options.__struct_fields__)
    shown = inspect.signature(Kind.enqueue).parameters.values()
    assert {p.name for p in shown if p.kind is p.KEYWORD_ONLY} == OPTIONS
    assert OPTIONS == set(One.__annotations__) == set(Many.__annotations__) == checked | {"conn"}


def test_a_functions_codec_survives_pickling() -> None:
    codec = pickle.loads(pickle.dumps(CODEC))
    assert codec.call(thumbnail, codec.decode(b'{"path":"a"}'))[:2] == ("a", 200)


TYPED = """
from __future__ import annotations
from typing import TYPE_CHECKING
import actorq
if TYPE_CHECKING:
    from numpy import ndarray as Rows, ndarray as Doc

def per_job(path: str, width: int | None = None) -> Rows: ...
def per_batch(batch: actorq.Batch[dict[str, int]]) -> list[Rows]: ...
def unread(doc: Doc) -> None: ...
class Model:
    def handle(self, batch: actorq.Batch[dict[str, int]]) -> Rows: ...
class One:
    def handle_one(self, path: str) -> Rows: ...
"""


def test_the_type_of_what_is_returned_may_be_known_to_type_checkers_only() -> None:
    from actorq import App

    names: dict[str, Any] = {"__name__": __name__}
    exec(TYPED, names)
    app = App("dbname=unused")
    for name in ("per_job", "per_batch", "Model", "One"):
        app.actor(name)(names[name])
    assert app.kinds["per_batch"].codec.type == dict[str, int]
    codec = app.kinds["per_job"].codec
    assert codec.encode({"path": "a", "width": None})
    with pytest.raises(ConfigError, match=r"unread\(\): .*'Doc' .* outside `if TYPE_CHECKING`"):
        app.actor("unread")(names["unread"])
