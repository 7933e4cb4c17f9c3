"""Whatever an exception does when it is looked at, its description is short, storable text."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorq.actor.texts import MAX_MESSAGE, MAX_TRACEBACK, MAX_TYPE, describe, ends, head, summary


def raised(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as caught:
        return caught


class StrRaises(Exception):
    def __str__(self):
        raise ValueError("no")

    __repr__ = __str__


class StrExits(Exception):
    def __str__(self):
        sys.exit(3)


class StrIsNumber(Exception):
    def __str__(self):
        return 7


class StrIsHuge(Exception):
    def __str__(self):
        return "é" * 10_000_000


class EvilText(str):
    def __getitem__(self, item):
        raise SystemExit

    def __str__(self):
        raise SystemExit

    def encode(self, *args):
        raise SystemExit


class StrIsEvil(Exception):
    def __str__(self):
        return EvilText("but readable")


def evil_type() -> BaseException:
    class EvilMeta(type):
        def __getattribute__(cls, name):
            raise SystemExit

    class EvilType(Exception, metaclass=EvilMeta):
        pass

    return EvilType()


def chain(n: int) -> Exception:
    error = ValueError("root")
    for i in range(n):
        following = ValueError(f"link {i}")
        following.__cause__ = error
        error = following
    return error


def nested_group(depth: int) -> BaseException:
    error: Exception = ValueError("core")
    for _ in range(depth):
        error = ExceptionGroup("g", [error])
    return error


def self_referencing() -> Exception:
    error = ValueError("me")
    error.__context__ = error
    return error


def deep_recursion() -> BaseException:
    def dive():
        dive()

    try:
        dive()
    except RecursionError as error:
        return error
    raise AssertionError


HOSTILE = {  # made by each test: the test runner cannot bear to look at some of them
    "str raises": StrRaises,
    "str exits": StrExits,
    "str gives a number": StrIsNumber,
    "str is huge": StrIsHuge,
    "str has evil methods": StrIsEvil,
    "type cannot be looked at": evil_type,
    "long chain": lambda: chain(3000),
    "wide group": lambda: ExceptionGroup("many", [ValueError(str(i)) for i in range(20_000)]),
    "deep group": lambda: nested_group(2000),
    "its own context": self_referencing,
    "deep recursion": deep_recursion,
    "unstorable text": lambda: ValueError("nul \0, surrogate \ud800, \x1b[31mred"),
    "exit": lambda: SystemExit(0),
    "interrupt": KeyboardInterrupt,
    "generator exit": GeneratorExit,
    "long name": lambda: type("É" * 5000, (Exception,), {})(),
}


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE)
def test_hostile_exceptions_are_described_within_their_caps(make):
    info = describe(raised(make()))
    sizes = [len(text.encode()) for text in (info.type, info.message, info.traceback)]
    assert sizes[0] <= MAX_TYPE
    assert sizes[1] <= MAX_MESSAGE
    assert sizes[2] <= MAX_TRACEBACK
    assert "\0" not in info.type + info.message + info.traceback
    assert info.type


def test_a_plain_exception_keeps_its_type_text_and_traceback():
    info = describe(raised(ValueError("what happened")))
    assert (info.type, info.message, info.cause) == ("ValueError", "what happened", "error")
    assert "in raised" in info.traceback
    assert info.traceback.rstrip().endswith("ValueError: what happened")


def test_the_type_of_a_module_is_named_in_full():
    info = describe(StrExits())
    assert info.type.endswith(f"{__name__}.StrExits")


def test_a_text_with_evil_methods_is_read_all_the_same():
    assert describe(StrIsEvil()).message == "but readable"


def test_a_long_traceback_keeps_both_ends():
    text = "first line\n" + "x" * 100_000 + "\nlast line"
    cut = ends(text)
    assert cut.startswith("first line")
    assert cut.endswith("last line")
    assert len(cut.encode()) <= MAX_TRACEBACK


@given(st.text(), st.integers(4, 100))
def test_cut_texts_fit_and_are_storable(text, size):
    for cut in (head(text, size), ends(text, size + 30)):
        assert len(cut.encode()) <= size + 30
        assert "\0" not in cut


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=25))
def test_short_texts_are_left_alone(text):
    assert head(text, 100) == text
    assert ends(text, 100) == text


def test_a_summary_is_one_short_text():
    assert summary(ValueError("no")) == "ValueError: no"
    assert len(summary(StrIsHuge()).encode()) <= 500
