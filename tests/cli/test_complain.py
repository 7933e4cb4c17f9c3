"""What an error looks like on a terminal: short ones whole, of long ones both ends."""

from __future__ import annotations

import pytest

from actorq.cli import complain


def shown(text: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    complain(text)
    return [line.strip() for line in capsys.readouterr().err.splitlines()]


@pytest.mark.parametrize("n", [1, 2, 8])
def test_few_lines_are_shown_whole(n: int, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [f"line {k}" for k in range(1, n + 1)]
    assert shown("\n\n".join(lines), capsys) == ["actorq: line 1", *lines[1:]]


def test_of_many_lines_the_first_and_the_newest_are_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = "\n".join(["its log ends with", *(f"line {k}" for k in range(2, 41))])
    last = [f"line {k}" for k in range(35, 41)]
    assert shown(text, capsys) == ["actorq: its log ends with", "…", *last]


def test_every_line_is_free_of_passwords_and_control_characters(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = "\n".join(["no\x1b[2J", "postgresql://me:s3cret@db/x", "l\x1b[31mog"])
    printed = "\n".join(shown(text, capsys))
    assert "s3cret" not in printed
    assert "\x1b" not in printed
