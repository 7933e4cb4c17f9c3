"""Text from elsewhere is shown without control characters and without passwords."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorq.escape import ascii_json, escape, mask_password


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


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://me:s3cret@db.example/x?connect_timeout=3",
        "cannot reach postgres://me:s3cret@h/x: refused",
        "host=h password=s3cret dbname=x",
        "host=h password = 's3cret' dbname=x",
        r"host=h password='s3\'cret s3cret' dbname=x",
        "postgresql://h/x?password=s3cret&user=me",
        "sslpassword=s3cret",
    ],
)
def test_passwords_are_masked_in_every_spelling(text: str) -> None:
    masked = mask_password(text)
    assert "s3cret" not in masked
    assert "cret" not in masked
    assert "***" in masked


def test_a_known_password_is_masked_wherever_it_stands() -> None:
    assert mask_password('invalid option "s3 cret"', "s3 cret") == 'invalid option "***"'


def test_text_without_password_stays() -> None:
    assert mask_password("host=h user=me dbname=x") == "host=h user=me dbname=x"
