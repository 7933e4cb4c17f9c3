"""Nothing that a handler has started outlives its actor, however that or its supervisor ends."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.actor.support import kind_of
from tests.process import families
from tests.process.families import N_MEMBERS, members
from tests.process.support import work
from tests.support.wait import wait_until

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has sub-reapers")
ENDS = [signal.SIGKILL, signal.SIGHUP, signal.SIGQUIT, signal.SIGABRT]


@pytest.fixture
def homes(tmp_path):
    """Directories for families; what is left of those after a failed test is ended."""
    found = [tmp_path / name for name in ("a", "b")]
    for home in found:
        home.mkdir()
    yield found
    for home in found:
        for process in members(home):
            with contextlib.suppress(psutil.Error):
                process.kill()


def settled(home: Path) -> None:
    wait_until((home / "settled").exists, 20)
    assert len(members(home)) == N_MEMBERS


def gone(home: Path) -> None:
    wait_until(lambda: not members(home), 5)


@LINUX
@pytest.mark.parametrize("end", ENDS)
def test_no_family_outlives_a_killed_supervisor(homes, end):
    supervisor = subprocess.Popen(
        [sys.executable, "-m", "tests.process.families", *map(str, homes)], cwd=os.getcwd()
    )
    with supervisor:
        for home in homes:
            settled(home)
        supervisor.send_signal(end)
    for home in homes:
        gone(home)


@LINUX
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSEGV, "exit", "killed"])
def test_no_family_outlives_its_actor_and_no_other_pays(actors, homes, how):
    kind = kind_of(families.and_go)
    first, second = (actors.start(kind, index) for index in range(2))
    for actor, home in ((first, homes[0]), (second, homes[1])):
        actor.send(
            *work([[str(home), how if isinstance(how, str) else int(how)]], actor=actor.number)
        )
        settled(home)
    if how == "killed":
        first.kill()
    else:
        (homes[0] / "go").touch()
    actors.died(first)
    assert members(homes[0]) == []  # whoever hears of a death may give its jobs away
    # Its daemon without environment, session and parent cannot be told from one of the first.
    assert len(members(homes[1])) >= N_MEMBERS - 1
    second.kill()
    actors.died(second)
    assert members(homes[1]) == []
