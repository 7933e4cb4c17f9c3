"""`actorq docs`: the list of topics, a page as text and on a terminal, and what no topic is."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

import actorq
from actorq.cli import main
from actorq.cli.docs import DOCS, for_terminal, topics
from actorq.core.exit_codes import USAGE


def test_without_a_topic_all_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["docs"]) == 0
    listed = capsys.readouterr().out
    for topic in topics():
        assert f"  {topic} " in listed


def test_the_list_is_json_as_well(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["docs", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["topic"] for line in lines] == list(topics())


@pytest.mark.parametrize("topic", ["batches", "batches.md", "Batches", "docs/batches.md"])
def test_through_a_pipe_a_page_is_its_text(topic: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["docs", topic]) == 0
    assert capsys.readouterr().out == (DOCS / "batches.md").read_text("utf-8")


def test_an_unknown_topic_is_wrong_usage_and_names_those_that_look_alike(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["docs", "outcome"]) == USAGE
    assert "did you mean outcomes" in capsys.readouterr().err
    assert main(["docs", "zzz"]) == USAGE
    said = capsys.readouterr().err
    assert "`actorq docs` lists all topics" in said
    assert "did you mean" not in said


def on_terminal(*arguments: str, columns: int) -> str:
    """Return what `actorq` prints on a terminal of so many columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    env = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "NO_COLOR")}
    with subprocess.Popen(
        [sys.executable, "-m", "actorq", *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**env, "TERM": "xterm-256color"},
    ) as process:
        os.close(theirs)
        shown = b"".join(iter(lambda: _read(ours), b""))
    os.close(ours)
    assert process.returncode == 0
    return shown.decode()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536)
    except OSError:  # what Linux says at the end of a terminal
        return b""


def test_on_a_terminal_a_page_is_rendered_within_its_columns() -> None:
    shown = on_terminal("docs", "batches", columns=80)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", shown).splitlines()
    assert max(map(len, lines)) <= 80
    assert "<!--" not in shown
    assert "```" not in shown
    assert "\x1b[" in shown


def test_links_become_commands_and_what_tests_read_is_left_out() -> None:
    text = (
        "<!-- settings: app -->\n| a |\n\nSee [the\nvalues](../values.md#what-arrives) and "
        "[below](#here).\n\n![Rates](../../bench/pictures/peers.png)\n"
    )
    assert for_terminal(text) == (
        "| a |\n\nSee the values (`actorq docs values`) and “below”.\n\n"
        "Picture: Rates (`peers.png`).\n"
    )


def test_pages_are_part_of_the_package() -> None:
    assert Path(actorq.__file__).parent in DOCS.parents
