"""Output of actors becomes bounded, printable log lines."""

from __future__ import annotations

import io
import unicodedata

import tqdm
from hypothesis import given
from hypothesis import strategies as st

from actorq.pipe.logline import MAX_RECORD, LogLine, encoded
from actorq.supervisor.local.output_lines import (
    MAX_LINE,
    MAX_LINES_PER_S,
    OutputLines,
    shown,
)


def texts(lines):
    return [shown(line) for line in lines]


def said(lines):
    return [(line.level, shown(line)) for line in lines]


def record(level, message, **fields):
    return encoded(LogLine(message, level, "mine", **fields)).encode()


@given(st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1), st.data())
def test_lines_are_the_same_however_they_are_split(word, data):
    stream = f"{word}\n\n{word} 2\n{word} 3".encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=5)))
    lines, got = OutputLines(), []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        got += texts(lines.feed(stream[start:end], 0.0))
    got += texts(lines.end(0.0))
    assert got == [word, f"{word} 2", f"{word} 3"]


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_any_bytes_become_printable_bounded_lines(chunks):
    lines, got = OutputLines(), []
    for chunk in chunks:
        got += lines.feed(chunk, 0.0)
    for level, text in said(got + lines.end(0.0)):
        assert level in (10, 20, 30, 40, 50)
        one_line = text.replace("\n    ", "")
        assert not any(unicodedata.category(char) in ("Cc", "Zl", "Zp") for char in one_line)
        assert len(text) <= MAX_LINE * 4


def test_a_line_without_end_is_cut_once_and_skipped_to_its_end():
    lines = OutputLines()
    got = texts(lines.feed(b"x" * 1_000_000, 0.0))
    got += texts(lines.feed(b"y" * 1_000_000, 0.0))
    got += texts(lines.feed(b"tail\nnext\n", 0.0))
    assert [len(text) for text in got] == [MAX_LINE, 4]
    assert got[1] == "next"


def test_a_flood_is_dropped_and_counted():
    lines = OutputLines()
    flood = b"line\n" * (MAX_LINES_PER_S * 3)
    assert len(lines.feed(flood, 0.0)) == MAX_LINES_PER_S
    assert lines.feed(flood, 0.9) == []
    [(level, text), (_, after)] = said(lines.feed(b"after\n", 1.1))
    assert (level, text, after) == (30, "(5,000 lines were dropped)", "after")


def test_dropped_lines_are_counted_at_the_end():
    lines = OutputLines()
    lines.feed(b"line\n" * (MAX_LINES_PER_S + 7), 0.0)
    assert texts(lines.end(0.1)) == ["(7 lines were dropped)"]


def test_levels_are_read_and_nothing_else_is_believed():
    lines = OutputLines()
    data = [record(40, "a\nb"), record(99, "odd"), b"\x1e{}", b'\x1e{"message": 3}', b"\x1e{x"]
    got = said(lines.feed(b"\n".join([*data, b"plain\n"]), 0.0))
    assert got[:2] == [(40, "mine: a\n    b"), (20, "mine: odd")]
    assert [text for _, text in got[2:]] == [
        *("\\x1e{}", '\\x1e{"message": 3}', "\\x1e{x", "plain")
    ]


def test_a_line_that_is_overwritten_is_logged_as_it_ends():
    lines = OutputLines()
    got = []
    for n in range(0, 101, 2):
        got += lines.feed(f"\r {n}%|{'#' * n}".encode(), n / 50)
    assert got == []
    assert texts(lines.feed(b"\nnext\r\n", 3.0)) == [f" 100%|{'#' * 100}", "next"]
    assert texts(lines.feed(b"1 of 2\r2 of 2\r", 4.0) + lines.end(5.0)) == ["2 of 2"]


def test_a_line_that_is_overwritten_for_long_is_logged_now_and_then():
    lines = OutputLines()
    got = [(n, texts(lines.feed(f"\r{n} of 1000".encode(), n / 10))) for n in range(1000)]
    assert [(n, said) for n, said in got if said] == [
        (n, [f"{n} of 1000"]) for n in range(100, 1000, 100)
    ]
    assert texts(lines.end(100.0)) == ["999 of 1000"]


def test_a_record_behind_a_line_without_end_keeps_its_level():
    lines = OutputLines()
    beware = record(30, "beware") + b"\n"
    assert said(lines.feed(b"\r 5%" + beware, 0.0)) == [(20, " 5%"), (30, "mine: beware")]
    assert said(lines.feed(b"\r" + beware, 0.0)) == [(30, "mine: beware")]
    assert texts(lines.feed(b"a\x1eb\n", 0.0)) == ["a\\x1eb"]


def test_what_a_progress_bar_leaves_is_one_line():
    out = io.StringIO()
    for _ in tqdm.tqdm(range(500), file=out, mininterval=0, ncols=60, desc="pages"):
        pass
    lines = OutputLines()
    data = out.getvalue().encode()
    assert data.count(b"\r") > 100
    got = [line for n in range(0, len(data), 37) for line in lines.feed(data[n : n + 37], 0.0)]
    [(level, text)] = said(got + lines.end(0.0))
    assert level == 20
    assert text.startswith("pages: 100%|")


def test_a_printed_traceback_is_one_line_however_it_arrives():
    data = b"""before
Traceback (most recent call last):
  File "h.py", line 3, in handle
    work()
ValueError: no
after
"""
    lines = OutputLines()
    got = [line for n in range(len(data)) for line in lines.feed(data[n : n + 1], 0.0)]
    assert [line.message.count("\n") for line in got] == [0, 3, 0]
    assert got[1].message.endswith("ValueError: no")
    assert got[2].message == "after"


def test_a_printed_traceback_without_an_end_is_told_at_the_end_or_when_it_is_too_long():
    begin = b"Traceback (most recent call last):\n"
    lines = OutputLines()
    assert lines.feed(begin + b"  File\n", 0.0) == []
    assert [line.message.count("\n") for line in lines.end(0.0)] == [1]
    got = lines.feed(begin + b"  File\n" * 4000, 1.0) + lines.end(2.0)
    assert got
    assert all(len(line.message) <= MAX_LINE for line in got)


def test_a_record_within_a_printed_traceback_is_one_of_its_own():
    lines = OutputLines()
    data = b"Traceback (most recent call last):\n  File\n" + record(40, "mine") + b"\nlast\n"
    assert [line.message.split("\n")[0] for line in lines.feed(data, 0.0)] == [
        *("Traceback (most recent call last):", "mine", "last")
    ]


def test_a_record_keeps_its_fields_and_its_end_if_it_is_long():
    lines = OutputLines()
    line = LogLine("\u00fc" * 5000, 30, "mine", "x" * 9000 + "\nEnd", 1.5, 2, 3, 4, {"a": [1]})
    data = encoded(line).encode() + b"\n"
    got = [each for n in range(0, len(data), 4096) for each in lines.feed(data[n : n + 4096], 0)]
    assert got == [line]
    assert shown(got[0]).endswith("\n    End")
    assert len(shown(got[0])) <= MAX_LINE


@given(st.text(max_size=40), st.text(max_size=40))
def test_the_longest_record_is_one_that_is_read(message, exc):
    long = LogLine(message * 9000, 30, exc=exc * 9000, extra={"a": message * 9000})
    data = encoded(long).encode()
    assert len(data) <= MAX_RECORD
    [got] = OutputLines().feed(data + b"\n", 0.0)
    assert long.message.startswith(got.message)
