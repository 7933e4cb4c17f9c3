"""What an error looks like on a terminal: short ones whole, of long ones both ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from actorq.cli import complain, main
from tests.support.shell import ROOT
from tests.support.wait import wait_until


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


SLOW = """
import pathlib, time
pathlib.Path("importing").touch()
time.sleep(60)
"""


@pytest.mark.parametrize(
    ("words", "code"),
    [(["-m", "actorq", "status"], 130), (["-c", "import actorq"], -signal.SIGINT)],
)
def test_an_interrupt_while_the_command_is_imported_is_quiet(
    tmp_path: Path, words: list[str], code: int
) -> None:
    """A program that only uses the library gets its KeyboardInterrupt."""
    (tmp_path / "msgspec.py").write_text(SLOW)
    process = subprocess.Popen(
        [sys.executable, *words],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"},
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until((tmp_path / "importing").exists)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == code
    assert ("KeyboardInterrupt" in err) == (code != 130)
    assert code != 130 or err == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["enqueue", "any", '{"a": '], "the args: not JSON"),
        (["enqueue", "any", "1", "--queue", "a b"], "queue 'a b' is not a legal name"),
        (["enqueue", "any kind", "1"], "kind 'any kind' is not a legal name"),
        (["enqueue", "any", "@/nope"], "cannot read /nope: No such file or directory"),
        (["enqueue", "any", "@/"], "cannot read /: Is a directory"),
        (["run", "nosuch:app"], "no module 'nosuch'"),
        (["docs", "nosuch"], "no page about 'nosuch'"),
    ],
)
def test_what_was_typed_wrongly_is_one_line_and_code_2(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, *(["--dsn", "host=/nowhere"] if words[0] != "docs" else [])]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"actorq: {said}")
    assert err.count("\n") == 1
