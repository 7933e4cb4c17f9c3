"""A drain that says *done* is done; one that is not says what is left, and why."""

from __future__ import annotations

import re
import signal
import subprocess

import pytest

from tests.e2e.test_life import SLOW, insert
from tests.support.running import Supervisors
from tests.support.wait import wait_until

TWO_KINDS = """
    import actorq
    app = actorq.App()

    @app.actor("fine")
    def fine() -> None:
        pass

    @app.actor("nomodel")
    class NoModel:
        def setup(self):
            with open("tries", "a") as file:
                file.write("x")
            raise RuntimeError("no model here")
        def handle(self, batch: actorq.Batch[dict]) -> None:
            pass
"""


def drained(supervisors: Supervisors, *options: str, drain: str = "--drain") -> tuple[int, str]:
    """Drain; return the exit code and what was logged."""
    process = supervisors.start(drain, *options)
    code = process.wait(60)
    return code, supervisors.log(len(supervisors.processes) - 1).read_text()


def test_a_kind_that_cannot_start_is_tried_again_and_its_jobs_are_said_to_be_left(
    supervisors: Supervisors,
) -> None:
    supervisors.write(TWO_KINDS)
    insert(supervisors.dsn, "fine", 500)
    insert(supervisors.dsn, "nomodel", 12)
    code, log = drained(supervisors)
    assert "500 completed, 12 left: kind nomodel could not start" in log
    assert " died" not in log
    assert log.splitlines()[-1].endswith("so the exit code is 1: due jobs are left")
    assert (code, supervisors.states()) == (1, {"completed": 500, "pending": 12})
    assert len((supervisors.directory / "tries").read_text()) == 3


def test_the_end_of_a_drain_tells_of_actors_that_died(supervisors: Supervisors) -> None:
    supervisors.write("""
        import os, actorq
        app = actorq.App()

        @app.actor("dies", crash_budget=1)
        def dies() -> None:
            os.kill(os.getpid(), 9)
    """)
    insert(supervisors.dsn, "dies", 1)
    code, log = drained(supervisors)
    assert code == 0, log
    assert re.search(r"0 completed, 1 failed, \d actors? died$", log, re.M), log


def test_a_kind_that_cannot_start_and_has_no_jobs_keeps_no_drain_from_its_end(
    supervisors: Supervisors,
) -> None:
    supervisors.write(TWO_KINDS)
    insert(supervisors.dsn, "fine", 5)
    code, log = drained(supervisors)
    assert code == 0, log
    tries = supervisors.directory / "tries"  # missing where the drain ended before the first one
    n_tries = len(tries.read_text()) if tries.exists() else 0
    assert n_tries <= 2, "it was tried until given up"


def test_a_start_that_succeeds_at_its_second_try_is_waited_for(supervisors: Supervisors) -> None:
    supervisors.write(
        """
        import os, actorq
        app = actorq.App()

        @app.actor("late")
        class Late:
            def setup(self):
                if not os.path.exists("tried"):
                    open("tried", "w").close()
                    raise RuntimeError("not yet")
            def handle(self, batch: actorq.Batch[dict]) -> None:
                pass
        """
    )
    insert(supervisors.dsn, "late", 5)
    code, log = drained(supervisors)
    assert (code, supervisors.states()) == (0, {"completed": 5}), log


def test_a_kind_that_rests_is_tried_again_and_its_jobs_are_said_to_be_left(
    supervisors: Supervisors,
) -> None:
    supervisors.write(
        """
        import actorq
        app = actorq.App()

        @app.actor("down", max_batch=8, retry=60)
        def down(batch: actorq.Batch[dict]) -> None:
            raise ConnectionError("the service is down")
        """
    )
    insert(supervisors.dsn, "down", 64)
    code, log = drained(supervisors)
    left = re.search(r"(\d+) left: kind down rests(?:, (\d+) scheduled)?", log)
    assert left, log[-3000:]
    assert code == 1
    [(waiting,)] = supervisors.rows("SELECT count(*) FROM actorq.queued")
    assert int(left[1]) + int(left[2] or 0) == waiting == 64


SOON = """
    import actorq
    app = actorq.App()

    @app.actor("soon", retry=0.2, max_attempts=2)
    def soon(n: int) -> object:
        if n == 0:
            raise ValueError("never")
        return actorq.snooze(0.3) if not seen(n) else None

    def seen(n: int) -> bool:
        import os
        there = os.path.exists(f"seen{n}")
        open(f"seen{n}", "w").close()
        return there
"""


def test_what_is_due_later_is_left_by_a_drain_that_says_so(supervisors: Supervisors) -> None:
    supervisors.write(SOON.replace("snooze(0.3)", "snooze(60)"))
    insert(supervisors.dsn, "soon", 5, '{"n": 1}')
    supervisors.python("import handlers; handlers.soon.enqueue(2, delay_s=3600)")
    code, log = drained(supervisors)
    assert code == 0, log
    assert "4 completed, 2 scheduled" in log


def test_a_drain_until_final_waits_for_retries_snoozes_and_scheduled_jobs(
    supervisors: Supervisors,
) -> None:
    supervisors.write(SOON)
    insert(supervisors.dsn, "soon", 5, '{"n": 1}')
    supervisors.python("import handlers; handlers.soon.enqueue(2, delay_s=0.5)")
    code, log = drained(supervisors, drain="--until-final")
    assert (code, supervisors.states()) == (0, {"completed": 6}), log
    assert re.search(r"6 completed$", log, re.M), log


def test_a_drain_until_final_tells_of_what_failed(supervisors: Supervisors) -> None:
    supervisors.write(SOON)
    insert(supervisors.dsn, "soon", 1, '{"n": 0}')
    insert(supervisors.dsn, "soon", 1, '{"n": 3}')
    code, log = drained(supervisors, drain="--until-final")
    assert (code, supervisors.states()) == (1, {"completed": 1, "failed": 1}), log
    assert re.search(r"1 completed, 1 failed$", log, re.M), log


def test_a_drain_until_final_does_not_wait_for_what_comes_after_its_limit(
    supervisors: Supervisors,
) -> None:
    supervisors.write(SOON)
    insert(supervisors.dsn, "soon", 2, '{"n": 1}')
    supervisors.python("import handlers; handlers.soon.enqueue(2, delay_s=3600)")
    code, log = drained(supervisors, "--limit", "1m", drain="--until-final")
    assert (code, supervisors.states()) == (1, {"completed": 2, "pending": 1}), log
    assert "2 completed, 1 scheduled" in log


def test_a_drain_until_final_ends_at_its_limit(supervisors: Supervisors) -> None:
    supervisors.write(
        """
        import actorq
        app = actorq.App()

        @app.actor("never")
        def never() -> object:
            return actorq.snooze(0.05)
        """
    )
    insert(supervisors.dsn, "never", 3)
    code, log = drained(supervisors, "--limit", "1s", drain="--until-final")
    assert (code, supervisors.states()) == (1, {"pending": 3}), log
    assert "its limit of 1 s" in log


def test_an_actor_that_the_end_of_a_drain_stops_is_no_error(supervisors: Supervisors) -> None:
    supervisors.write(
        """
        import actorq, os, time
        app = actorq.App()

        @app.actor("fine")
        def fine() -> None:
            pass

        @app.actor("unused")
        class Unused:
            def setup(self):
                time.sleep(1000)
            def handle(self, batch: actorq.Batch[dict]) -> None:
                pass
        """
    )
    insert(supervisors.dsn, "fine", 5)
    code, log = drained(supervisors)
    assert code == 0
    assert "ERROR" not in log
    assert "WARNING" not in log


PIPELINE = """
    import actorq, time
    app = actorq.App()

    @app.actor("first", max_batch=10)
    def first(batch: actorq.Batch[dict]) -> None:
        time.sleep(0.05)
        second.enqueue_many([{}] * len(batch))

    @app.actor("second", max_batch=40, min_batch=40, linger_ms=20_000)
    def second(batch: actorq.Batch[dict]) -> None:
        with open("sizes", "a") as file:
            file.write(f"{len(batch)} {batch.cut}\\n")
"""


def test_a_pipelines_second_stage_still_gathers_its_batches_in_a_drain(
    supervisors: Supervisors,
) -> None:
    supervisors.write(PIPELINE)
    insert(supervisors.dsn, "first", 215)
    code, log = drained(supervisors)
    assert (code, supervisors.states()) == (0, {"completed": 430}), log
    sizes = (supervisors.directory / "sizes").read_text().splitlines()
    assert sizes == ["40 full"] * 5 + ["15 flush"]


def begun(supervisors: Supervisors, *options: str) -> subprocess.Popen[bytes]:
    """Return a supervisor whose one job will never end by itself."""
    supervisors.write(SLOW)
    insert(supervisors.dsn, "slow", 1, '{"s": 1000}')
    process = supervisors.start(*options)
    wait_until(lambda: "begun" in supervisors.logs())
    return process


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_says_what_is_waited_for_and_the_second_skips_that(
    supervisors: Supervisors, sign: signal.Signals
) -> None:
    process = begun(supervisors, "--grace", "45")
    process.send_signal(sign)
    wait_until(lambda: "waiting up to 45 s for 1 running batch" in supervisors.logs())
    assert "another signal (Ctrl-C) skips the waiting" in supervisors.logs()
    process.send_signal(sign)
    assert process.wait(30) == 1, "a running batch was killed"
    assert "1 running batch is killed" in supervisors.logs()
    assert supervisors.states() == {"pending": 1}


def test_a_drain_that_is_stopped_is_not_done(supervisors: Supervisors) -> None:
    supervisors.write(SLOW)
    insert(supervisors.dsn, "slow", 40, '{"s": 0.05}')
    process = supervisors.start("--drain")
    wait_until(lambda: "begun" in supervisors.logs())
    assert supervisors.stop(process) == 1
    left = supervisors.states()["pending"]
    assert f"{left} left: it was stopped" in supervisors.logs()


def test_a_drain_from_python_returns_the_code_and_that_of_tests_raises_the_last_line(
    supervisors: Supervisors,
) -> None:
    supervisors.write(SOON)
    printed = supervisors.python(
        """
        import handlers
        from actorq import testing
        from datetime import timedelta

        if __name__ == "__main__":
            handlers.soon.enqueue(1, delay_s="300ms")
            print(handlers.app.drain(), handlers.soon.enqueue(2).state())
            print(handlers.app.drain(until_final=True, limit_s=timedelta(minutes=1)))
            handlers.soon.enqueue(0)
            try:
                testing.drain(handlers.app, until_final=True, limit_s="1m")
            except Exception as error:
                print(error)
            testing.drain(handlers.app)
        """
    )
    code, final, error = printed.splitlines()
    assert (code, final) == ("0 ready", "0")
    assert "exit code 1: 0 completed, 1 failed" in error


def test_jobs_of_a_supervisor_that_was_just_killed_are_not_left(supervisors: Supervisors) -> None:
    supervisors.write(SLOW)
    insert(supervisors.dsn, "slow", 30, '{"s": 0.01}')
    first = supervisors.start()
    wait_until(lambda: "begun" in supervisors.logs())
    supervisors.kill(first)
    code, log = drained(supervisors)
    assert (code, supervisors.states()) == (0, {"completed": 30}), log


def test_a_limit_without_until_final_is_refused(supervisors: Supervisors) -> None:
    supervisors.write(SLOW)
    code, log = drained(supervisors, "--limit", "1m")
    assert code == 2
    assert "limit_s is for a drain until_final" in log
