"""Text from elsewhere is shown without control characters."""

from __future__ import annotations

import json
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from actorq.escape import ascii_json, escape


@given(st.text(st.characters(codec=None)))
def test_escaped_text_has_no_character_that_moves_a_terminal(text: str) -> None:
    shown = escape(text)
    assert not {unicodedata.category(char) for char in shown} & {"Cc", "Cs", "Zl", "Zp"}


def test_named_escapes_and_cut() -> None:
    assert escape("a\tb\r\nc\x1b[0m\u202e") == r"a\tb\r\nc\x1b[0m\u202e"
    assert escape("x" * 50, 10) == "xxxxxxx..."


@given(st.recursive(st.text() | st.integers() | st.none(), st.lists))
def test_ascii_json_is_one_ascii_line_with_the_same_meaning(value: object) -> None:
    text = ascii_json(json.dumps(value, ensure_ascii=False, indent=1))
    assert text.isascii()
    assert "\n" not in text
    assert json.loads(text) == value
