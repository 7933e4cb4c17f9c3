"""Type checkers see mistakes in how handlers are declared and enqueued."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.support.shell import ROOT

USER = """
import actorq
app = actorq.App()

@app.actor("thumb", max_batch=5)
def thumb(path: str, job: actorq.Job[str]) -> str:
    left: float | None = job.deadline
    job.atempt                               # E: attr-defined
    return f"{path} {left} {job.attempt}"

@app.kind("embed", args=int).actor(max_bach=3)  # E: call-arg
class Embed:
    def handle_one(self, n: int) -> int:
        return actorq.current_job().id

app.actor("k")(5)                            # E: call-overload
handle: actorq.JobHandle = thumb.enqueue("a.jpg", priority=3)
handle.attempt                               # E: attr-defined
thumb.enqueu("a.jpg")                        # E: attr-defined
n: int = thumb.enqueue_many(["a"])
ids: list[int] = thumb.enqueue_many(["a"])   # E: assignment
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
    wanted = [(str(n), line.split("# E: ")[1]) for n, line in lines if "# E:" in line]
    assert seen == wanted, ran.stdout + ran.stderr
