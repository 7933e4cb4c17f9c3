"""Run the command `actorq`: in this process, or in one of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from actorq.cli import main

ROOT = Path(__file__).resolve().parent.parent.parent


class Ran(NamedTuple):
    """Hold what a command printed and its exit code."""

    code: int
    out: str
    err: str

    @property
    def objects(self) -> list[Any]:
        """Return the JSON objects it printed, one from each line."""
        return [json.loads(line) for line in self.out.splitlines()]


class Shell:
    """Run commands against one database, in this process."""

    def __init__(self, dsn: str, capsys: pytest.CaptureFixture[str]) -> None:
        self._dsn = dsn
        self._capsys = capsys

    def __call__(self, *words: object) -> Ran:
        """Run one command and return its exit code and output."""
        typed = [str(word) for word in words]
        try:
            code = main([typed[0], "--dsn", self._dsn, *typed[1:]])
        except SystemExit as end:
            code = int(end.code or 0)
        out, err = self._capsys.readouterr()
        return Ran(code, out, err)


def spawn(*words: object, cwd: Path | None = None, stdin: str = "", **env: str) -> Ran:
    """Run one command in a process of its own, without any PG* or ACTORQ_* of ours."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "ACTORQ_"))}
    done = subprocess.run(
        [sys.executable, "-m", "actorq", *map(str, words)],
        cwd=cwd,
        env={**clean, "PYTHONPATH": str(ROOT), **env},
        input=stdin.encode(),
        capture_output=True,
        timeout=50,
    )
    return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())
