"""What a handler has started is gone before its job is given to another supervisor."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import psutil
import pytest

from actorq.supervisor.local.guardian_client import Guard
from tests.support.running import Supervisors, actors_of
from tests.support.wait import wait_until

FAMILY = """
    import os, subprocess, time, psutil, actorq
    app = actorq.App()

    @app.actor("family")
    def family() -> list:
        if os.path.exists("begun"):
            return [pid for pid in map(int, open("begun").read().split()) if psutil.pid_exists(pid)]
        child = subprocess.Popen(["sleep", "1000"], start_new_session=True, env={})
        grandchild = subprocess.Popen(
            ["sh", "-c", "setsid sleep 1000 & echo $!"], stdout=subprocess.PIPE, text=True
        )
        with open("begun~", "w") as file:
            print(child.pid, grandchild.stdout.readline(), file=file)
        os.rename("begun~", "begun")
        time.sleep(1000)
"""

pytestmark = pytest.mark.skipif(not Guard.is_possible(), reason="this system has no guardians")


def test_a_job_is_not_given_away_while_its_family_lives(supervisors: Supervisors) -> None:
    supervisors.write(FAMILY)
    begun = supervisors.directory / "begun"
    supervisors.python("import handlers; handlers.family.enqueue()")
    first = supervisors.start("--ttl-s", "600")
    wait_until(begun.exists, 30)
    [(pid,)] = supervisors.rows("SELECT guardian_pid FROM actorq.node")
    guardian = psutil.Process(pid)
    guardian.suspend()
    supervisors.kill(first)
    supervisors.start("--ttl-s", "3")
    rounds = set()

    def has_looked_three_times() -> bool:
        rounds.update(supervisors.rows("SELECT beat_at FROM actorq.node WHERE ttl_s = 3"))
        return len(rounds) > 3

    wait_until(has_looked_three_times, 30)
    held = "SELECT count(*) FROM actorq.lease JOIN actorq.node ON id = node WHERE ttl_s = 600"
    assert supervisors.rows(held) == [(1,)]
    assert any(map(psutil.pid_exists, pids(begun)))
    guardian.resume()
    supervisors.wait_for(completed=1)
    [(result,)] = supervisors.rows("SELECT value::text FROM actorq.result")
    assert json.loads(result) == []


def pids(begun: Path) -> list[int]:
    return [int(word) for word in begun.read_text().split()]


HELPED = """
    import os, subprocess, actorq
    app = actorq.App()

    @app.actor("helped", max_attempts=1)
    def helped() -> str:
        if os.path.exists("begun"):
            return "done"
        with subprocess.Popen(["sleep", "1000"]) as child:
            open("begun", "w").close()
        if child.returncode:
            raise RuntimeError(f"the helper died: {child.returncode}")
        return "never"
"""


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGINT])
def test_a_stop_that_reaches_every_process_charges_nobody(
    supervisors: Supervisors, sign: signal.Signals
) -> None:
    supervisors.write(HELPED)
    begun = supervisors.directory / "begun"
    supervisors.python("import handlers; handlers.helped.enqueue()")
    first = supervisors.start()
    wait_until(begun.exists, 30)
    # The main process first and then the others, as systemd does by default.
    for process in [psutil.Process(first.pid), *actors_of(first)]:
        process.send_signal(sign)
    assert first.wait(30) == 0
    counted = "SELECT state::text, n_failed, n_crashed, n_lost FROM actorq.job"
    assert supervisors.rows(counted) == [("pending", 0, 0, 0)]
    supervisors.start("--drain")
    supervisors.wait_for(completed=1)


def test_a_supervisor_that_was_told_to_ignore_a_hangup_does(supervisors: Supervisors) -> None:
    supervisors.write(HELPED)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        first = supervisors.start()
    finally:
        signal.signal(signal.SIGHUP, before)
    wait_until(lambda: supervisors.rows("SELECT 1 FROM actorq.node"), 30)
    first.send_signal(signal.SIGHUP)
    (supervisors.directory / "begun").touch()
    supervisors.python("import handlers; handlers.helped.enqueue()")
    supervisors.wait_for(completed=1)
    assert supervisors.stop(first) == 0
