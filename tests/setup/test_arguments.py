"""Scripts refuse arguments that they would not heed, before they do anything."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.shell import ROOT

STUB = "def ready(extras):\n    raise SystemExit(7)\n"


def ran(root: Path, script: str, *arguments: str) -> tuple[int, str]:
    """Run a copy of a script, beside which there is nothing that it could start."""
    copy = root / script
    copy.parent.mkdir()
    shutil.copy(ROOT / script, copy)
    (copy.parent / "_env.py").write_text(STUB)
    (root / "apt-get").write_text("#!/bin/sh\nexit 1\n")
    (root / "apt-get").chmod(0o755)
    interpreter = "bash" if script == ".ci/run" else sys.executable
    env = {**os.environ, "PATH": f"{root}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        [interpreter, str(copy), *arguments], env=env, capture_output=True, text=True, timeout=30
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize("script", ["scripts/lint", ".ci/run"])
@pytest.mark.parametrize("argument", ["--fx", "tests/core"])
def test_unknown_arguments_are_refused(tmp_path: Path, script: str, argument: str) -> None:
    code, said = ran(tmp_path, script, argument)
    assert code == 2
    assert "usage: " in said
    assert argument in said


@pytest.mark.parametrize("arguments", [[], ["--fix"]])
def test_known_ones_are_heeded(tmp_path: Path, arguments: list[str]) -> None:
    assert ran(tmp_path, "scripts/lint", *arguments) == (7, "")
