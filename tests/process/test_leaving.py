"""An actor ends as any Python program does: its exit hooks run, and nothing of it stays behind."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import psutil
import pytest

from actorq.supervisor.local.guardian_client import Guard
from tests.actor.support import kind_of
from tests.process import leavers
from tests.process.handlers import wait_for
from tests.process.support import work
from tests.support.wait import wait_until


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    return tmp_path


def temporary(home: Path) -> list[str]:
    return os.listdir(home / "temporary")


def test_exit_hooks_run_at_a_normal_stop_after_teardown(actors, home):
    actor = actors.start(kind_of(leavers.Hooked, "class", env={"EXTRA": str(home / "notes")}))
    actors.run(actor, [1])
    assert temporary(home)
    actor.stop()
    assert actors.died(actor).code == 0
    assert (home / "notes").read_text().splitlines() == ["teardown", "pool is shut", "hook"]
    assert temporary(home) == []


def test_exit_hooks_run_after_a_setup_that_fails(actors, home):
    env = {"EXTRA": str(home / "notes"), "FAIL": "1"}
    actor = actors.spawn(kind_of(leavers.Hooked, "class", env=env), 0)
    assert actors.died(actor).code == 1
    assert (home / "notes").read_text().splitlines() == ["pool is shut", "hook"]
    assert temporary(home) == []


def test_threads_that_do_not_end_are_named_and_left(actors, home, caplog):
    env = {"EXTRA": str(home / "notes"), "THREAD": "1"}
    actor = actors.start(kind_of(leavers.Hooked, "class", env=env))
    actor.stop()
    assert actors.died(actor).code == 0
    assert "ends without waiting for its threads: lingering" in caplog.text
    assert (home / "notes").read_text().splitlines() == ["teardown", "pool is shut", "hook"]


@pytest.mark.parametrize(
    ("what", "named"),
    [
        ("CHILD", r"waits for process slow child \(pid \d+\)"),
        ("WORKER", r"waits for thread ThreadPoolExecutor-\d+_0 \(id \d+\)"),
    ],
)
def test_what_an_actor_waits_for_before_it_leaves_is_named(actors, home, caplog, what, named):
    actor = actors.start(kind_of(leavers.Hooked, "class", env={"EXTRA": os.devnull, what: "1"}))
    actor.stop()
    wait_until(lambda: re.search(named, caplog.text) is not None, what="it to be named")
    actor.kill()
    actors.died(actor)


@pytest.mark.skipif(not Guard.is_possible(), reason="this system has no guardians")
@pytest.mark.parametrize("end", ["stop", "kill"])
def test_shared_memory_that_nobody_unlinked_is_gone(actors, home, end):
    actor = actors.start(kind_of(leavers.sharing))
    actor.send(*work([str(home / "name")], actor=actor.number))
    wait_for(str(home / "name"))
    segment = Path("/dev/shm") / (home / "name").read_text()
    assert segment.exists()
    if end == "stop":
        actors.answer(actor, 1)
        actor.stop()
    else:
        actor.kill()
    actors.died(actor)
    assert not segment.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("library", [True, False])
def test_a_listing_of_processes_tells_the_kind(actors, home, monkeypatch, library):
    if not library:
        (home / "setproctitle.py").write_text("raise ImportError")
        monkeypatch.syspath_prepend(str(home))
    actor = actors.start(kind_of(leavers.sharing), 2)
    process = psutil.Process(actor.pid)
    assert process.name() == "actorq k[2]"
    command = " ".join(process.cmdline())
    assert command.strip() == "actorq k[2]" if library else command.endswith(" actorq k[2]")
    assert process.environ()["ACTORQ_SLOT"] == "2"  # which others know processes by
    assert "SPT_NOENV" not in process.environ()


@pytest.mark.skipif(not Guard.is_possible(), reason="this system has no guardians")
def test_a_listing_of_processes_tells_the_guardian(actors):
    process = psutil.Process(actors.pool.guardian)
    wait_until(lambda: process.name() == "actorq guardian")
