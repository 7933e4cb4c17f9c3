"""What is drawn in a run follows from its seed, and whoever sees it fail is told the seed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import seeds
from tests.support.shell import ROOT

DRAWS = """
from hypothesis import given, strategies as st

@given(st.integers(0, 10**9))
def test_of_any_number(n):
    print("drew", n)

def test_fails():
    assert False
"""


def ran(directory: Path, seed: str) -> list[str]:
    """Return the lines of a quiet run, of which the second test fails."""
    (directory / "test_draws.py").write_text(DRAWS)
    options = [
        "-q",
        "-s",
        "-p",
        "tests.conftest",
        "-p",
        "no:cacheprovider",
        f"-c{ROOT}/pyproject.toml",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(directory / "test_draws.py")],
        cwd=directory, env={"PYTHONPATH": str(ROOT), "PATH": "", seeds.VARIABLE: seed},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout.splitlines()


def test_a_run_with_the_same_seed_draws_the_same_and_tells_it_where_it_fails(
    tmp_path: Path,
) -> None:
    first, again, other = [
        [line for line in ran(tmp_path, seed) if "drew" in line or seeds.VARIABLE in line]
        for seed in ("7", "7", "8")
    ]
    assert len(set(first)) > 50
    assert first == again
    assert "ACTORQ_SEED=7" in first[-1]
    assert first[:-1] != other[:-1]


def test_the_seed_is_that_of_the_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "git").write_text("#!/bin/sh\necho 000000ff00000000000000000000000000000000\n")
    (tmp_path / "git").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert seeds.of_commit() == 255


def test_without_git_there_is_a_seed_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert seeds.of_commit() > 0
