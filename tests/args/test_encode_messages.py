"""What a refusal of args says, and does not repeat."""

from __future__ import annotations

import contextlib
import math
import threading
from typing import Any, Literal

import msgspec
import pytest

from actorq.args.codec import ArgsCodec
from actorq.errors import ArgsInvalid
from tests.args.test_encode import ANY, Doc


def test_messages_do_not_repeat_the_args() -> None:
    secret = "hunter2-" * 10
    for value in (Doc("a", secret), {"path": "a", "n": secret}):  # type: ignore[arg-type]
        with pytest.raises(ArgsInvalid) as caught:
            ArgsCodec(Doc).encode(value)
        assert "hunter2" not in str(caught.value)


class Red(msgspec.Struct, tag="red"):
    how: Literal["a", 1] = "a"


class Blue(msgspec.Struct, tag="blue"):
    pass


@pytest.mark.parametrize(
    ("type_", "args", "said"),
    [
        (Red, '{"type": "red", "how": "hunter2 - at `$.x`"}', "Invalid enum value - at `$.how`"),
        (Red, '{"type": "red", "how": 7222}', "Invalid enum value - at `$.how`"),
        (Red, '{"type": "hunter2"}', "Invalid value - at `$.type`"),
        (Red | Blue, '{"type": "a\\nhunter2"}', "Invalid value - at `$.type`"),
        (dict[Literal["a"], int], '{"hunter2": 1}', "Invalid enum value - at `key` in `$`"),
        (Literal["a"], '"hunter2"', "Invalid enum value"),
    ],
)
def test_not_even_a_value_that_is_none_of_those_allowed(type_: Any, args: str, said: str) -> None:
    with pytest.raises(ArgsInvalid) as caught:
        ArgsCodec(type_).decode(args.encode())
    assert str(caught.value).endswith(f": {said}")


def test_a_value_that_another_thread_changes_meanwhile_is_stored_whole_or_refused() -> None:
    value: dict[str, Any] = {"a": [1.5] * 50, "b": {str(n): n for n in range(50)}}
    stop = threading.Event()

    def change() -> None:
        while not stop.is_set():
            value["b"].pop("7", None)
            value["a"][3] = math.nan
            value["b"]["\ud800"] = value["b"]["7"] = "\0"
            value["a"][3] = 2.5
            value["b"].pop("\ud800")
            value["b"]["7"] = 7

    thread = threading.Thread(target=change)
    thread.start()
    try:
        stored = []
        for _ in range(500):
            with contextlib.suppress(ArgsInvalid):
                stored.append(ANY.encode(value))
    finally:
        stop.set()
        thread.join()
    for data in stored:
        plain = ANY.decode(data)
        assert plain["a"][3] in (1.5, 2.5)
        assert plain["b"].get("7", 7) == 7
