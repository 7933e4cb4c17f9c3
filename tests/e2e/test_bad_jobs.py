"""A bad job costs only itself, through the whole way."""

from __future__ import annotations

import psycopg
import pytest

from tests.e2e.support import NOTE_EVENTS, charged, events, insert, numbers, stop_all, uncharged
from tests.support.running import Supervisors
from tests.support.wait import wait_until

VECTOR = """
    import os, msgspec, actorq
    app = actorq.App()

    class Args(msgspec.Struct):
        n: int

    @app.actor("vector", max_batch=128, retry=0, max_attempts=3, batch_timeout_s=2)
    class Vector:
        def handle(self, batch: actorq.Batch[Args]) -> list:
            numbers = [args.n for args in batch.args]
            {trouble}
            return numbers
"""


def test_one_job_that_always_raises_fails_alone(supervisors: Supervisors) -> None:
    source = VECTOR.replace("=128", "=256").replace("max_attempts=3", "max_attempts=5")
    supervisors.write(source.format(trouble="assert 77 not in numbers") + NOTE_EVENTS)
    insert(supervisors.dsn, *numbers(256))
    supervisors.start()
    supervisors.wait_for(completed=255, failed=1)
    assert events(supervisors, "batch_claimed")[0]["n_jobs"] == 256
    assert charged(supervisors) == [("77", 5, 5, 0)]
    assert uncharged(supervisors) == 255
    stop_all(supervisors)


HANG = "[__import__('time').sleep(1000) for n in numbers if n == 3]"
DEAF = "__import__('signal').pthread_sigmask(0, range(1, 32)); " + HANG


@pytest.mark.parametrize(("trouble", "paid"), [(HANG, (3, 3, 0)), (DEAF, (3, 0, 3))])
def test_one_job_that_hangs_is_ended_and_fails_alone(
    supervisors: Supervisors, trouble: str, paid: tuple[int, int, int]
) -> None:
    source = VECTOR.replace("batch_timeout_s=2", "batch_timeout_s=0.3")
    supervisors.write(source.format(trouble=trouble))
    insert(supervisors.dsn, *numbers(4))
    supervisors.start()
    supervisors.wait_for(completed=3, failed=1)
    assert charged(supervisors) == [("3", *paid)]
    assert supervisors.rows("SELECT DISTINCT cause FROM actorq.failure") == [("timeout",)]


LIMITED = """
    import asyncio, time, actorq
    app = actorq.App()

    @app.actor("vector", {limit}_timeout_s=0.3, retry=0, max_attempts=1, crash_budget=1)
    {handler}
"""


@pytest.mark.parametrize(
    ("limit", "handler", "paid"),
    [
        ("batch", "async def hang(batch: actorq.Batch): await asyncio.sleep(1000)", (1, 0, 1)),
        ("batch", "async def hang(n: int): await asyncio.sleep(1000)", (1, 0, 1)),
        ("job", "async def hang(n: int): await asyncio.sleep(1000)", (1, 1, 0)),
        ("job", "def hang(batch: actorq.Batch): [time.sleep(1000) for _ in batch]", (1, 0, 1)),
    ],
)
def test_where_a_limit_raises_and_where_it_only_kills(
    supervisors: Supervisors, limit: str, handler: str, paid: tuple[int, int, int]
) -> None:
    supervisors.write(LIMITED.format(limit=limit, handler=handler))
    insert(supervisors.dsn, *numbers(1))
    supervisors.start()
    supervisors.wait_for(failed=1)
    assert charged(supervisors) == [("0", *paid)]
    assert supervisors.rows("SELECT DISTINCT cause FROM actorq.failure") == [("timeout",)]


@pytest.mark.parametrize(
    ("wait", "paid"),
    [("time.sleep(1000)", (2, 2, 0)), ("deaf(); time.sleep(1000)", (2, 0, 2))],
)
def test_a_job_that_takes_too_long_costs_only_itself(
    supervisors: Supervisors, wait: str, paid: tuple[int, int, int]
) -> None:
    supervisors.write(
        f"""
        import time, signal, actorq
        app = actorq.App()

        def deaf():
            signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))

        @app.actor("vector", job_timeout_s=0.3, retry=0, max_attempts=2, crash_budget=2)
        def vector(n: int) -> int:
            if n == 3:
                {wait}
            return n
        """
    )
    insert(supervisors.dsn, *numbers(20))
    supervisors.start()
    supervisors.wait_for(completed=19, failed=1)
    assert charged(supervisors) == [("3", *paid)]
    assert supervisors.rows("SELECT DISTINCT cause FROM actorq.failure") == [("timeout",)]


def test_a_wrong_number_of_results_is_nobodys_outcome(supervisors: Supervisors) -> None:
    supervisors.write(VECTOR.format(trouble="numbers = numbers[:-1] if 5 in numbers else numbers"))
    insert(supervisors.dsn, *numbers(16))
    supervisors.start()
    supervisors.wait_for(completed=15, failed=1)
    assert charged(supervisors) == [("5", 3, 3, 0)]


def test_args_that_do_not_fit_fail_that_job_alone(supervisors: Supervisors) -> None:
    supervisors.write(VECTOR.format(trouble="pass"))
    wrong = ["[]", '"text"', "null", "{}", '{"n": "one"}', '{"n": 1e400}', '{"n": "\\ud800"}']
    insert(supervisors.dsn, *numbers(20), *wrong)
    supervisors.start()
    supervisors.wait_for(completed=20, failed=len(wrong))
    causes = supervisors.rows("SELECT DISTINCT cause, final FROM actorq.failure")
    assert causes == [("args", True)]


@pytest.mark.parametrize(
    "value",
    [
        "[1j]",
        "'\\0'",
        "'\\ud800'",
        "object()",
        "(x for x in [])",
    ],
)
def test_a_result_that_cannot_be_stored_fails_that_job_alone(
    supervisors: Supervisors, value: str
) -> None:
    supervisors.write(VECTOR.format(trouble=f"numbers[0] = {value}"))
    insert(supervisors.dsn, *numbers(20))
    supervisors.start("--drain")
    supervisors.wait_for(completed=19, failed=1)
    assert supervisors.rows("SELECT cause FROM actorq.failure") == [("result",)]


@pytest.mark.parametrize("value", ["float('nan')", "float('-inf')", "[float('nan')]"])
def test_a_number_that_is_none_costs_no_job_its_result(
    supervisors: Supervisors, value: str
) -> None:
    supervisors.write(VECTOR.format(trouble=f"numbers[0] = {value}"))
    insert(supervisors.dsn, *numbers(20))
    supervisors.start("--drain")
    supervisors.wait_for(completed=20)
    stored = supervisors.rows("SELECT value::text FROM actorq.result ORDER BY job LIMIT 1")
    assert stored == [("[null]" if value.startswith("[") else "null",)]


@pytest.mark.parametrize(
    "trouble",
    [
        "raise SystemExit(0)",
        "raise KeyboardInterrupt",
        "raise GeneratorExit",
        "raise StopIteration",
        "raise BaseExceptionGroup('many', [ValueError(n) for n in range(1000)])",
        "os._exit(0)",
        "os.kill(os.getpid(), 9)",
    ],
)
def test_whatever_a_handler_does_the_kind_goes_on(supervisors: Supervisors, trouble: str) -> None:
    supervisors.write(VECTOR.format(trouble=f"if 0 in numbers:\n                {trouble}"))
    insert(supervisors.dsn, *numbers(4))
    supervisors.start()
    supervisors.wait_for(completed=3, failed=1)


def test_a_handler_that_attacks_its_files_cannot_break_the_protocol(
    supervisors: Supervisors,
) -> None:
    trouble = "os.write(2, bytes(range(256)) * 4000); os.closerange(0, 2)"
    supervisors.write(VECTOR.format(trouble=trouble))
    insert(supervisors.dsn, *numbers(300))
    supervisors.start()
    supervisors.wait_for(completed=300)


def test_jobs_of_a_kind_that_nobody_serves_wait_and_harm_nobody(supervisors: Supervisors) -> None:
    supervisors.write(VECTOR.format(trouble="pass"))
    insert(supervisors.dsn, *numbers(5))
    supervisors.rows("INSERT INTO actorq.job (kind) VALUES ('unknown') RETURNING id")
    supervisors.start()
    supervisors.wait_for(completed=5, pending=1)
    with pytest.raises(psycopg.errors.RestrictViolation, match="is pending and cannot be deleted"):
        supervisors.rows("DELETE FROM actorq.job WHERE kind = 'unknown' RETURNING id")


def test_a_kind_with_another_args_type_is_reported(supervisors: Supervisors) -> None:
    supervisors.write(VECTOR.format(trouble="pass"))
    first = supervisors.start()
    wait_until(lambda: "ready" in supervisors.logs())
    supervisors.stop(first)
    supervisors.write(VECTOR.format(trouble="pass").replace("n: int", "n: float"))
    supervisors.start()
    wait_until(lambda: "args of kind vector changed their type" in supervisors.logs())


def test_follow_up_jobs_of_a_handler_run_in_the_same_database(supervisors: Supervisors) -> None:
    supervisors.write(
        """
        import actorq
        app = actorq.App()

        @app.actor("first")
        def first(n: int) -> None:
            second.enqueue(n=n)

        @app.actor("second")
        def second(n: int) -> int:
            return n * n
        """
    )
    supervisors.python("import handlers; handlers.first.enqueue_many({'n': n} for n in range(10))")
    supervisors.start()
    supervisors.wait_for(completed=20)
    assert supervisors.rows("SELECT sum((value#>>'{}')::int) FROM actorq.result") == [(285,)]


def test_a_service_that_is_down_is_nobodys_fault_and_the_kind_rests(
    supervisors: Supervisors,
) -> None:
    trouble = "if not os.path.exists('up'):\n                raise ConnectionError('no service')"
    supervisors.write(VECTOR.replace("max_attempts=3", "max_attempts=9").format(trouble=trouble))
    insert(supervisors.dsn, *numbers(64))
    supervisors.start()
    wait_until(lambda: "kind vector rests" in supervisors.logs())
    (supervisors.directory / "up").touch()
    supervisors.wait_for(completed=64)
    assert supervisors.rows("SELECT max(n_failed) < 9 FROM actorq.job") == [(True,)]


def test_memory_that_adds_up_blames_nobody_and_makes_batches_smaller(
    supervisors: Supervisors,
) -> None:
    supervisors.write(VECTOR.format(trouble="len(numbers) > 20 and os.kill(os.getpid(), 9)"))
    insert(supervisors.dsn, *numbers(2_000))
    supervisors.start()
    supervisors.wait_for(completed=2_000)
    assert charged(supervisors) == []
    assert "batches of kind vector limited to 64 jobs" in supervisors.logs()
