"""What runs beside the tests: nothing of it is lost, and all of it ends with them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import psutil
import pytest

from tests.support.running import is_running
from tests.support.shell import ROOT
from tests.support.wait import wait_until

CLOSING = "===== 3 failed, 4 passed in 61.25s (0:01:01) ====="


@pytest.fixture
def beside(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    import _beside  # type: ignore[import-not-found]

    module: ModuleType = _beside
    return module


def program(text: str) -> list[str]:
    return [sys.executable, "-c", text]


def test_a_step_that_fails_is_followed_by_the_next_and_both_are_told(beside: ModuleType) -> None:
    fails = "import sys; print('out', flush=True); print('err', file=sys.stderr); sys.exit(3)"
    knows = "import os; print(os.environ['ACTORQ_TOLD'])"
    steps = [
        beside.Step("first", program(fails)),
        beside.Step("second", program(knows), {"ACTORQ_TOLD": "yes"}),
    ]
    lane = beside.Lane(steps)
    lane.start()
    lane.join()
    first, second = lane.done
    assert (first.code, beside.marked(first)) == (3, "first | out\nfirst | err\n")
    assert (second.code, beside.marked(second)) == (0, "second | yes\n")
    assert lane.failed() == ["first"]


def test_a_step_that_cannot_be_run_has_failed(beside: ModuleType) -> None:
    lane = beside.Lane([beside.Step("first", ["/no such program"])])
    lane.start()
    lane.join()
    assert lane.failed() == ["first"]
    assert "no such program" in lane.done[0].said


def test_what_runs_ends_with_all_that_it_has_started_and_no_more_begins(
    beside: ModuleType, tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
    family = f"""
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
print("said before", flush=True)
open({str(pids) + ".new"!r}, "w").write(f"{{os.getpid()}} {{child.pid}}")
os.rename({str(pids) + ".new"!r}, {str(pids)!r})
time.sleep(1000)
"""
    lane = beside.Lane([beside.Step("long", program(family)), beside.Step("never", program(""))])
    lane.start()
    wait_until(pids.exists)
    both = [psutil.Process(int(pid)) for pid in pids.read_text().split()]
    lane.end()
    wait_until(lambda: not any(is_running(process) for process in both))
    [done] = lane.done
    assert done.code
    assert "long | said before\n" in beside.marked(done)


@pytest.mark.parametrize("code", [0, 1])
def test_the_last_line_of_all_is_the_closing_line_of_the_whole_suite(
    tmp_path: Path, code: int
) -> None:
    """Nothing is installed here: it is not root who asks."""
    told = f"echo '{CLOSING}'\necho 'store | == 9 passed in 1.00s =='\nexit {code}"
    stubs = {"scripts/_env.py": "def ready(extras): pass", "id": "echo 1000", "scripts/test": told}
    (tmp_path / "scripts").mkdir()
    (tmp_path / ".ci").mkdir()
    for name, text in stubs.items():
        (tmp_path / name).write_text(text if name.endswith(".py") else f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    run = shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci")
    env = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(["bash", run], env=env, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (code, CLOSING), done.stderr
