"""Jobs are done in poor surroundings: without a terminal, a locale, descriptors or a place."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import textwrap
from pathlib import Path

import psycopg
import pytest

from tests.security.victim import put
from tests.support.shell import ROOT

HANDLERS = """
    import sys
    import actorq
    app = actorq.App()

    @app.actor("victim", retry=0, max_attempts=2)
    def victim(batch: actorq.Batch):
        for job in batch:
            print("Ünïcödé ≠ 文 \\udce9", job.args, flush=True)
            print("on stderr", file=sys.stderr, flush=True)
            if job.args == "fail":
                raise ValueError("Ünïcödé ≠ 文 \\x1b[31m")
            job.done("≠")
"""
SURROUNDINGS = {
    "the C locale": ("", {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}),
    "a full disk for the log": ("exec >/dev/full 2>&1; ", {}),
    "no output at all": ("exec >&- 2>&-; ", {}),
    "no input either": ("exec 0<&- >&- 2>&-; ", {}),
    "few descriptors": ("ulimit -n 64; ", {}),
    "no core files and little stack": ("ulimit -c 0 -s 1024; ", {}),
    "no place for temporary files": ("", {"TMPDIR": "/nowhere", "HOME": "/nowhere"}),
    "a closed umask": ("umask 777; ", {}),
    "a random hash seed and development mode": ("", {"PYTHONHASHSEED": "1", "PYTHONDEVMODE": "1"}),
}


@pytest.mark.parametrize(("before", "env"), SURROUNDINGS.values(), ids=SURROUNDINGS)
def test_jobs_are_done_in_poor_surroundings(
    db: psycopg.Connection, dsn: str, tmp_path: Path, before: str, env: dict[str, str]
) -> None:
    good, bad = [put(db, args=f'"é{n}"') for n in range(5)], put(db, args='"fail"')
    (tmp_path / "handlers.py").write_text(textwrap.dedent(HANDLERS), encoding="utf-8")
    command = f"{before}exec {shlex.quote(sys.executable)} -m actorq run handlers:app --drain"
    ran = subprocess.run(
        ["bash", "-c", command],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "ACTORQ_DSN": dsn, **env},
        timeout=60,
        capture_output=True,
    )
    assert ran.returncode == 0, ran.stderr.decode()
    states: dict[int, str] = dict(db.execute("SELECT id, state::text FROM actorq.job").fetchall())
    assert states == {**dict.fromkeys(good, "completed"), bad: "failed"}
    ((message,),) = db.execute("SELECT message FROM actorq.failure WHERE final").fetchall()
    assert message == "Ünïcödé ≠ 文 \x1b[31m"
