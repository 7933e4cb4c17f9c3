"""Programs for the tests of how they are loaded, and what has become of their jobs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import psycopg

from tests.support.shell import ROOT, Ran, spawn


class Code:
    """Be the modules of a program, and run it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, **modules: str) -> None:
        for name, text in modules.items():
            (self.path / f"{name}.py").write_text(textwrap.dedent(text))

    def run(self, target: str, dsn: str, *words: str) -> Ran:
        """Drain what `actorq run` is told."""
        return spawn("run", target, "--drain", *words, cwd=self.path, ACTORQ_DSN=dsn)

    def script(self, name: str, dsn: str) -> subprocess.CompletedProcess[str]:
        """Run a script of the program's."""
        return subprocess.run(
            [sys.executable, f"{name}.py"],
            cwd=self.path,
            env={**os.environ, "PYTHONPATH": str(ROOT), "ACTORQ_DSN": dsn},
            capture_output=True,
            text=True,
            timeout=50,
        )


def results(dsn: str, schema: str = "actorq") -> dict[int, Any]:
    """Return the results of completed jobs."""
    with psycopg.connect(dsn) as conn:
        rows = conn.execute(
            f"SELECT id, r.value::text FROM {schema}.job LEFT JOIN {schema}.result r"
            " ON r.job = id WHERE state = 'completed'".encode()
        )
        return {id_: json.loads(text or "null") for id_, text in rows}


def put(dsn: str, kind: str, args: str = "{}", schema: str = "actorq") -> int:
    with psycopg.connect(dsn) as conn:
        sql = f"INSERT INTO {schema}.job (kind, args) VALUES (%s, %s) RETURNING id"
        row = conn.execute(sql.encode(), [kind, args]).fetchone()
        assert row is not None
        return int(row[0])


def pending(dsn: str, schema: str = "actorq") -> list[str]:
    with psycopg.connect(dsn) as conn:
        sql = f"SELECT kind FROM {schema}.job WHERE state = 'pending' ORDER BY id"
        return [kind for (kind,) in conn.execute(sql.encode())]
