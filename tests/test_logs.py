"""Records become JSON that anybody can read, whatever they hold."""

from __future__ import annotations

import json
import logging
import math
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorq import events
from actorq.logs import JsonLines


def made(message: object = "m", *args: object, level: int = 30, **more: Any) -> dict[str, Any]:
    """Return the JSON of a record, without its time."""
    exc_info = more.pop("exc_info", None)
    record = logging.LogRecord("mine", level, "f.py", 1, message, args, exc_info)
    record.__dict__.update(more)
    text = JsonLines().format(record)
    assert text.isascii()
    assert text.isprintable()
    found: dict[str, Any] = json.loads(text, parse_constant=pytest.fail)
    return {name: value for name, value in found.items() if name != "ts"}


class Silent:
    """Have no text."""

    def __str__(self) -> str:
        raise RuntimeError("no")


def test_a_record_has_its_time_in_utc_to_the_millisecond() -> None:
    record = logging.makeLogRecord({"created": 1.2345})
    assert json.loads(JsonLines().format(record))["ts"] == "1970-01-01T00:00:01.234Z"


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (3, 3), (True, True), (None, None), (math.nan, "nan"), (-math.inf, "-inf"),
        (2**70, str(2**70)),
        ({1: (2, "\ud800")}, {"1": [2, "\\ud800"]}), ([[[["deep"]]]], [[["['deep']"]]]),
        (b"x", "b'x'"), (Silent(), "(Silent, whose text cannot be read: RuntimeError)"),
        ("x" * 5000, "x" * 997 + "..."),
    ],
)  # fmt: skip
def test_extra_fields_are_values_that_json_has(value: object, read: object) -> None:
    assert made(size=value) == {"level": "WARNING", "logger": "mine", "message": "m", "size": read}


def test_a_field_whose_name_is_taken_is_not_lost() -> None:
    fields = made(actorq_job=3, job="mine", job_=1)
    assert {name: fields[name] for name in ("job", "job_", "job__")} == {
        "job": 3, "job_": "mine", "job__": 1
    }  # fmt: skip


def test_a_value_that_contains_itself_has_an_end() -> None:
    endless: list[Any] = []
    endless.append(endless)
    assert made(value=endless)["value"] == [[["[[...]]"]]]


def test_a_traceback_is_one_text() -> None:
    try:
        raise ValueError("no")
    except ValueError:
        fields = made(exc_info=sys.exc_info())
    assert fields["exc"].startswith("Traceback")
    assert fields["exc"].endswith("\nValueError: no")


@given(st.text())
def test_any_text_survives(text: str) -> None:
    assert made("%s", text)["message"] == text


def test_no_field_of_an_event_has_the_name_of_another_of_its_line() -> None:
    taken = {"ts", "level", "logger", "message", "exc", "event"}
    for kind in events.Event.__subclasses__():
        assert not taken & set(kind.__struct_fields__), kind
