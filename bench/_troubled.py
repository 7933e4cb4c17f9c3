"""Databases with jobs that get into trouble, and runs of `_trouble_run` on them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from bench import _harness as h

INSERT = """
INSERT INTO actorq.job (kind, args)
SELECT '{kind}', json_build_object('n', n, 'kills', n = ANY ('{{{killers}}}'::int[]))
FROM generate_series(1, {jobs}) n
"""
CHARGED = "SELECT count(*) FROM actorq.job WHERE n_failed + n_crashed > 0"


def fill(dsn: str, kind: str, jobs: int, killers: Sequence[int] = ()) -> None:
    """Enqueue jobs; those of these numbers kill their process."""
    h.run(dsn, INSERT.format(kind=kind, jobs=jobs, killers=",".join(map(str, killers))))
    h.analyze(dsn)


def start(dsn: str, kind: str, final: int, *more: str, **env: object) -> subprocess.Popen[str]:
    """Start a supervisor that ends when so many jobs are final."""
    command = [sys.executable, "-P", "-m", "bench._trouble_run", "--kind", kind]
    set_ = {"ACTORQ_DSN": dsn, "BENCH_DOWN": ""} | {k: str(v) for k, v in env.items()}
    return subprocess.Popen(
        [*command, "--final", str(final), *more],
        env={**os.environ, **set_},
        stdout=subprocess.PIPE,
        text=True,
    )


def result(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Wait for its end and return what it says."""
    said, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"the supervisor failed with exit code {process.returncode}")
    found: dict[str, Any] = json.loads(said.splitlines()[-1])
    return found


def charged(dsn: str, besides: str = "false") -> int:
    """Count the jobs that were charged for a failure, but for those that the condition names."""
    return int(h.run(dsn, f"{CHARGED} AND NOT ({besides})")[0])
