"""A supervisor that stood still for longer than its ttl, and goes on."""

from __future__ import annotations

import signal

import pytest

from tests.support.running import Supervisors, actors_of, is_running
from tests.support.wait import wait_until

SLOW = """
    import os, time, actorq
    app = actorq.App()

    @app.actor("slow")
    def slow() -> int:
        print("begun", flush=True)
        while os.path.exists("wait"):
            time.sleep(0.02)
        return os.getpid()
"""


@pytest.mark.usefixtures("changes")
def test_a_stopped_supervisor_loses_its_jobs_and_starts_over(supervisors: Supervisors) -> None:
    supervisors.write(SLOW)
    wait = supervisors.directory / "wait"
    wait.touch()
    supervisors.python("import handlers; handlers.slow.enqueue()")
    first = supervisors.start("--ttl-s", "1")
    wait_until(lambda: "begun" in supervisors.log(0).read_text())
    [(node,)] = supervisors.rows("SELECT id FROM actorq.node")
    actors = [child for child in actors_of(first) if child.name() == "actorq slow[0]"]
    assert actors
    first.send_signal(signal.SIGSTOP)
    supervisors.start("--ttl-s", "1")
    wait_until(lambda: "begun" in supervisors.log(1).read_text(), 30)
    first.send_signal(signal.SIGCONT)
    wait_until(lambda: not any(is_running(actor) for actor in actors), what="its actors to end")
    wait_until(lambda: len(supervisors.rows("SELECT 1 FROM actorq.node")) == 2)
    assert not supervisors.rows("SELECT 1 FROM actorq.node WHERE id = %s", node)
    wait.unlink()
    supervisors.wait_for(completed=1)
    assert supervisors.rows("SELECT attempt, n_lost FROM actorq.job") == [(2, 1)]
    assert supervisors.rows("SELECT old, new FROM public.change") == [("pending", "completed")]
