"""Type checkers see what the administrator's calls return, and which arguments they take."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.support.shell import ROOT

USER = """
import actorq
from actorq.admin import History, JobRow, Pruned, Retried, Status

app = actorq.App()
status: Status = app.admin.status()
found: list[JobRow] = app.admin.jobs(state="failed", limit=5)
history: History | None = app.admin.job(5)
again: Retried = app.admin.retry(kind="embed", limit=1_000_000, progress=print)
app.admin.jobs(state="dead")                       # E: arg-type
app.admin.prune(older_than="7d")                   # E: call-arg
app.admin.cancel("5")                              # E: arg-type
app.admin.job(5).job                               # E: union-attr

async def main() -> None:
    status: Status = await app.async_admin.status()
    pruned: Pruned = await app.async_admin.prune(older_than_s="7d", state=["failed"])
    found: Status = await app.async_admin.jobs()   # E: assignment
    await app.async_admin.jobs(stat="failed")      # E: call-arg
"""


def test_mistakes_are_seen_where_they_are_made(tmp_path: Path) -> None:
    (tmp_path / "user.py").write_text(USER)
    ran = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "user.py"],
        cwd=tmp_path,
        env={"MYPYPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=120,
    )
    seen = re.findall(r"^user.py:(\d+): error: .*\[(.*)\]$", ran.stdout, re.M)
    lines = enumerate(USER.splitlines(), 1)
    expected = [(str(n), line.split("# E: ")[1]) for n, line in lines if "# E:" in line]
    assert seen == expected, ran.stdout + ran.stderr
