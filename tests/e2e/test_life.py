"""The whole way of jobs, through real supervisors and actors, with real kills."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import psycopg
import pytest

from tests.support.running import Supervisors, actors_of, is_running
from tests.support.wait import wait_until

NOOP = """
    import actorq
    app = actorq.App()

    @app.actor("noop", max_batch=500)
    def noop(batch: actorq.Batch[dict]) -> None:
        pass
"""
SLOW = """
    import time, actorq
    app = actorq.App()

    @app.actor("slow", max_batch=10, retry=0.1)
    def slow(s: float) -> str:
        print("begun", flush=True)
        time.sleep(s)
        return "slept"
"""


def insert(dsn: str, kind: str, n: int, args: str = "{}") -> None:
    """Enqueue by plain SQL, as any program in any language can."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(
            "INSERT INTO actorq.job (kind, args) SELECT %s, %s::json FROM generate_series(1, %s)",
            (kind, args, n),
        )


def settled_once(supervisors: Supervisors) -> bool:
    """Tell whether no job changed its state more than once."""
    return not supervisors.rows("SELECT job FROM public.change GROUP BY job HAVING count(*) > 1")


@pytest.mark.usefixtures("changes")
def test_a_killed_supervisor_loses_nothing_and_settles_nothing_twice(
    supervisors: Supervisors,
) -> None:
    supervisors.write(NOOP)
    insert(supervisors.dsn, "noop", 30_000)
    first = supervisors.start()
    wait_until(lambda: supervisors.states().get("completed", 0) > 2_000)
    supervisors.kill(first)
    assert supervisors.states()["pending"] > 0
    supervisors.start()
    supervisors.wait_for(completed=30_000)
    assert settled_once(supervisors)
    again = supervisors.rows("SELECT count(*) FROM actorq.job WHERE n_lost > 0")[0][0]
    assert again <= 5 * 500


def test_actors_end_with_their_supervisor(supervisors: Supervisors) -> None:
    supervisors.write(SLOW)
    insert(supervisors.dsn, "slow", 1, '{"s": 1000}')
    supervisor = supervisors.start()
    wait_until(lambda: "begun" in supervisors.logs())
    actors = actors_of(supervisor)
    assert actors
    supervisors.kill(supervisor)
    wait_until(lambda: not any(is_running(actor) for actor in actors))


def test_a_stop_lets_the_running_batch_finish_and_charges_nobody(supervisors: Supervisors) -> None:
    supervisors.write(SLOW)
    insert(supervisors.dsn, "slow", 40, '{"s": 0.05}')
    supervisor = supervisors.start()
    wait_until(lambda: "begun" in supervisors.logs())
    assert supervisors.stop(supervisor) == 0
    states = supervisors.states()
    assert 1 <= states["completed"] < 40
    assert not supervisors.rows("SELECT 1 FROM actorq.job WHERE state = 'pending' AND attempt > 0")
    assert not supervisors.rows("SELECT 1 FROM actorq.lease")
    assert not supervisors.rows("SELECT 1 FROM actorq.node")
    assert supervisors.rows("SELECT count(*) FROM actorq.queued") == [(states["pending"],)]


def test_a_second_signal_kills_what_runs_and_charges_nobody(supervisors: Supervisors) -> None:
    supervisors.write(SLOW)
    insert(supervisors.dsn, "slow", 1, '{"s": 1000}')
    supervisor = supervisors.start()
    wait_until(lambda: "begun" in supervisors.logs())
    supervisor.send_signal(signal.SIGTERM)
    wait_until(lambda: "draining" in supervisors.logs())
    assert supervisors.stop(supervisor) == 1
    rows = supervisors.rows("SELECT state::text, attempt, n_crashed FROM actorq.job")
    assert rows == [("pending", 0, 0)]
    assert supervisors.rows("SELECT count(*) FROM actorq.queued") == [(1,)]


def test_ctrl_c_reaches_the_whole_group_but_running_jobs_complete(
    supervisors: Supervisors,
) -> None:
    supervisors.write(SLOW)
    insert(supervisors.dsn, "slow", 1, '{"s": 0.5}')
    supervisor = supervisors.start()
    wait_until(lambda: "begun" in supervisors.logs())
    for process in [supervisor.pid, *(actor.pid for actor in actors_of(supervisor))]:
        os.kill(process, signal.SIGINT)
    assert supervisor.wait(30) == 0
    assert supervisors.states() == {"completed": 1}


def test_a_delayed_job_is_started_without_a_new_enqueue(supervisors: Supervisors) -> None:
    supervisors.write(SLOW)
    supervisors.start()
    supervisors.python("import handlers; handlers.slow.enqueue(s=0, delay_s=1)")
    supervisors.wait_for(completed=1)
    waited = supervisors.rows("SELECT attempted_at >= run_at FROM actorq.job")
    assert waited == [(True,)]


def test_several_supervisors_share_one_database(supervisors: Supervisors) -> None:
    supervisors.write(NOOP)
    for _ in range(3):
        supervisors.start()
    for _ in range(20):
        insert(supervisors.dsn, "noop", 500)
    supervisors.wait_for(completed=10_000)
    assert supervisors.rows("SELECT count(*) FROM actorq.job WHERE attempt <> 1") == [(0,)]


def test_every_connection_can_be_cut_at_any_time(supervisors: Supervisors) -> None:
    supervisors.write(NOOP)
    supervisors.start()
    wait_until(lambda: "ready" in supervisors.logs())
    for n in range(1, 11):
        insert(supervisors.dsn, "noop", 2_000)

        def most_are_done(least: int = (n - 1) * 2_000) -> bool:
            return supervisors.states()["completed"] > least

        wait_until(most_are_done)
        supervisors.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name LIKE 'actorq %' AND datname = current_database()"
        )
    supervisors.wait_for(completed=20_000)
    assert "connection lost (claimer)" in supervisors.logs()
    assert "connection lost (settler)" in supervisors.logs()


def test_a_cancelled_job_in_a_lease_is_cancelled_when_it_would_come_back(
    supervisors: Supervisors,
) -> None:
    supervisors.write(
        """
        import time, actorq
        app = actorq.App()

        @app.actor("again", retry=0)
        def again(n: int) -> actorq.Outcome:
            print("begun", flush=True)
            time.sleep(0.2)
            return actorq.retry(0)
        """
    )
    supervisors.python("import handlers; handlers.again.enqueue(n=1, max_attempts=1000)")
    supervisors.start()
    wait_until(lambda: "begun" in supervisors.logs())
    supervisors.python("from actorq.cli import main; main(['cancel', '1'])")
    supervisors.wait_for(cancelled=1)


def test_poll_only_finds_work_without_any_notification(supervisors: Supervisors) -> None:
    supervisors.write(NOOP)
    supervisors.start("--poll-only")
    wait_until(lambda: "ready" in supervisors.logs())
    insert(supervisors.dsn, "noop", 10)
    supervisors.wait_for(completed=10)
    assert supervisors.rows("SELECT count(*) FROM actorq.hunger") == [(0,)]


def test_a_kind_that_cannot_start_burns_no_attempt_and_harms_no_other(
    supervisors: Supervisors,
) -> None:
    supervisors.write(
        """
        import os, actorq
        app = actorq.App()

        @app.actor("broken")
        class Broken:
            def setup(self):
                if not os.path.exists("fixed"):
                    raise RuntimeError("no model here")
            def handle(self, batch: actorq.Batch[dict]) -> None:
                pass

        @app.actor("fine")
        def fine() -> None:
            pass
        """
    )
    insert(supervisors.dsn, "broken", 5)
    insert(supervisors.dsn, "fine", 5)
    supervisors.start()
    supervisors.wait_for(completed=5, pending=5)
    wait_until(lambda: "no model here" in supervisors.logs())
    assert not supervisors.rows("SELECT 1 FROM actorq.job WHERE state = 'pending' AND attempt > 0")
    (supervisors.directory / "fixed").touch()
    supervisors.wait_for(completed=10)


def test_a_supervisor_that_was_declared_dead_starts_over(supervisors: Supervisors) -> None:
    supervisors.write(NOOP)
    supervisors.start()
    wait_until(lambda: supervisors.rows("SELECT 1 FROM actorq.node"))
    [(node,)] = supervisors.rows("SELECT id FROM actorq.node")
    supervisors.rows("DELETE FROM actorq.node RETURNING 1")
    wait_until(lambda: supervisors.rows("SELECT 1 FROM actorq.node WHERE id <> %s", node), 30)
    insert(supervisors.dsn, "noop", 10)
    supervisors.wait_for(completed=10)


def test_the_grace_time_is_a_setting(supervisors: Supervisors) -> None:
    supervisors.write(SLOW)
    insert(supervisors.dsn, "slow", 1, '{"s": 1000}')
    supervisor = supervisors.start("--grace-s", "0")
    wait_until(lambda: "begun" in supervisors.logs())
    assert supervisors.stop(supervisor) == 0
    assert supervisors.states() == {"pending": 1}


def test_a_job_that_was_changed_by_hand_under_its_lease_runs_again(
    supervisors: Supervisors,
) -> None:
    supervisors.write(SLOW)
    insert(supervisors.dsn, "slow", 1, '{"s": 0.5}')
    supervisors.start()
    wait_until(lambda: "begun" in supervisors.logs())
    supervisors.rows("UPDATE actorq.job SET attempt = 7 RETURNING id")
    supervisors.wait_for(completed=1)
    assert supervisors.rows("SELECT attempt FROM actorq.job") == [(8,)]
    assert "outcomes not written, because somebody had changed their job rows" in supervisors.logs()


UNGUARDED = """
    import actorq
    app = actorq.App()

    @app.actor("work")
    def work(x: int) -> int:
        return x

    {call}
    if __name__ == "__main__":
        app.drain()
"""


@pytest.mark.parametrize(
    "call",
    [
        "work.enqueue(1)",
        "work.enqueue_many([1, 2])",
        "work.enqueue_many([1, 2], return_ids=True)",
        "import asyncio; asyncio.run(work.enqueue_async(1))",
        "work.enqueue(1, unique_key='one')",
    ],
)
def test_a_script_that_enqueues_without_a_guard_does_so_once_and_is_told(
    supervisors: Supervisors, call: str
) -> None:
    supervisors.write(UNGUARDED.replace("{call}", call), "script")
    ran = subprocess.run(
        [sys.executable, "script.py"],
        cwd=supervisors.directory,
        env=supervisors.env,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "a job was enqueued while an actor loads" in ran.stderr
    line = 1 + UNGUARDED.splitlines().index("    {call}")
    assert "An actor imports them once more" in ran.stderr
    assert f"script.py:{line}. An" in ran.stderr or "asyncio" in call  # done in a thread
    assert "if __name__ == '__main__':" in ran.stderr
    assert supervisors.rows("SELECT count(*) FROM actorq.job") == [(2 if "many" in call else 1,)]


def test_setup_may_enqueue(supervisors: Supervisors) -> None:
    supervisors.write("""
        import os, actorq
        app = actorq.App()

        @app.actor("work")
        class Work:
            def setup(self) -> None:
                if not os.path.exists("set up"):
                    open("set up", "w").close()
                    Work.enqueue(2)

            def handle(self, batch: actorq.Batch[int]) -> list[int]:
                return batch.args
    """)
    supervisors.python("import handlers; handlers.Work.enqueue(1)")
    supervisors.start()
    supervisors.wait_for(completed=2)
