"""No actor outlives its supervisor, whatever it is doing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import psutil
import pytest

from tests.actor.support import kind_of
from tests.process import handlers
from tests.process.handlers import wait_for
from tests.process.orphans import in_python
from tests.process.support import troupe, work
from tests.support.wait import wait_until


def test_actors_go_when_their_supervisor_is_killed(tmp_path):
    marks = [str(tmp_path / name) for name in ("a", "b", "c")]
    supervisor = subprocess.Popen(
        [sys.executable, "-m", "tests.process.orphans", *marks],
        stdout=subprocess.PIPE,
        text=True,
        cwd=os.getcwd(),
    )
    assert supervisor.stdout is not None
    with supervisor:
        pids = [int(word) for word in supervisor.stdout.readline().split()]
        for mark in marks:
            wait_for(mark)
        supervisor.send_signal(signal.SIGSTOP)
        (tmp_path / "c.go").touch()
        wait_for(str(tmp_path / "c.gone"))
        supervisor.kill()
    assert len(pids) == 3
    wait_until(lambda: not any(map(is_running, pids)), 10)


def test_a_supervisor_that_ends_does_not_wait_for_its_actors(tmp_path):
    script = tmp_path / "ends.py"
    script.write_text(
        "from tests.process.support import *\n"
        "from tests.process.orphans import in_python\n"
        "from tests.actor.support import kind_of\n"
        "it = Troupe()\n"
        "it.pipes.start()\n"
        "actor = it.start(kind_of(in_python))\n"
        f"actor.send(*work([{str(tmp_path / 'on')!r}], actor=actor.number))\n"
        "print(actor.pid)\n"
    )
    env = {**os.environ, "PYTHONPATH": os.getcwd()}
    ran = subprocess.run(
        [sys.executable, str(script)], env=env, capture_output=True, text=True, timeout=30
    )
    assert ran.returncode == 0, ran.stderr
    pid = int(ran.stdout)
    wait_until(lambda: not is_running(pid), 10)


def test_an_actor_that_the_kernel_does_not_end_sees_the_end_of_its_pipe(tmp_path):
    # A supervisor that only closes its end looks like one that has gone.
    with troupe() as actors:
        actor = actors.start(kind_of(in_python))
        actor.send(*work([str(tmp_path / "on")], actor=actor.number))
        wait_for(str(tmp_path / "on"))
        actor.socket.shutdown(2)
        exit_ = actors.died(actor)
        assert exit_.text == "the actor was ended by SIGKILL"  # it has killed its own group


def test_nobody_is_killed_by_the_number_of_a_buried_actor(monkeypatch):
    with troupe() as actors:
        actor = actors.start(kind_of(handlers.at_once))
        actor.kill()
        actors.died(actor)
        killed = []
        monkeypatch.setattr(os, "killpg", lambda *args: killed.append(args))
        actor.kill()  # somebody else may have this number by now
        assert killed == []


@pytest.mark.parametrize("end", ["killed", "left", "stopped"])
def test_a_death_is_noticed_where_the_system_has_no_pidfd(monkeypatch, end):
    monkeypatch.delattr(os, "pidfd_open", raising=False)
    with troupe() as actors:
        actor = actors.start(kind_of(handlers.at_once))
        if end == "killed":
            actor.kill()
        elif end == "left":
            actor.send(*work([["exit", 5]], actor=actor.number))
        else:
            actor.stop()
        exit_ = actors.died(actor)
        expected = {"killed": ("SIGKILL", None), "left": (None, 5), "stopped": (None, 0)}
        assert (exit_.signal, exit_.code) == expected[end]


def is_running(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
