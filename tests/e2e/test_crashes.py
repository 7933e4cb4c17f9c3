"""A job that kills its process is found in its batch, and nobody else pays."""

from __future__ import annotations

import math
import signal

import pytest

from tests.e2e.support import NOTE_EVENTS, charged, events, insert, numbers, stop_all, uncharged
from tests.support.running import Supervisors

BUDGET = 3
BATCH = 200

HANDLER = """
    import ctypes, os, psutil, signal, msgspec, actorq
    app = actorq.App()

    class Args(msgspec.Struct):
        n: int

    @app.actor("vector", max_batch=200, retry=0)
"""
MARKING = """
    def vector(batch: actorq.Batch[Args]):
        for job in batch:
            if job.args.n == 777:
                ctypes.string_at(0)
            job.done(job.args.n)
"""
VECTORISED = """
    def vector(batch: actorq.Batch[Args]) -> list:
        numbers = [args.n for args in batch.args]
        if 777 in numbers:
            ctypes.string_at(0)
        return numbers
"""
KILLING_ITS_SUPERVISOR = """
    def vector(batch: actorq.Batch[Args]) -> list:
        numbers = [args.n for args in batch.args]
        if 7 in numbers:
            if len(numbers) <= 8 and not os.path.exists("killed"):
                open("killed", "w").close()
                psutil.Process(os.getppid()).parent().kill()  # its guardian's
            ctypes.string_at(0)
        return numbers
"""


def history(supervisors: Supervisors) -> list[tuple[str, str, bool]]:
    """Return number, cause and finality of each failed attempt, each told to be a SIGSEGV."""
    return supervisors.rows(
        "SELECT args->>'n', cause, final FROM actorq.failure f JOIN actorq.job j ON j.id = f.job"
        " WHERE type = 'ActorDied' AND message LIKE '%%SIGSEGV%%' ORDER BY f.id",
    )


FOUND_GUILTY = [("signal", n == BUDGET) for n in range(1, BUDGET + 1)]


@pytest.mark.parametrize("handler", [MARKING, VECTORISED])
def test_one_job_that_segfaults_among_a_thousand_fails_alone(
    supervisors: Supervisors, handler: str
) -> None:
    supervisors.write(HANDLER + handler + NOTE_EVENTS)
    insert(supervisors.dsn, *numbers(1000))
    supervisors.start()
    supervisors.wait_for(completed=999, failed=1)
    sizes = [told["n_jobs"] for told in events(supervisors, "batch_claimed")]
    assert sizes[0] == BATCH
    assert charged(supervisors) == [("777", BUDGET, 0, BUDGET)]
    assert uncharged(supervisors) == 999
    assert history(supervisors) == [("777", *each) for each in FOUND_GUILTY]
    deaths = [told for told in events(supervisors, "actor_exited") if not told["planned"]]
    assert len(deaths) <= 2 + math.log2(BATCH) + BUDGET - 1
    assert len(deaths) == BUDGET or handler == VECTORISED
    stop_all(supervisors)


def test_the_search_for_a_killer_goes_on_when_its_supervisor_is_killed(
    supervisors: Supervisors,
) -> None:
    supervisors.write(HANDLER + KILLING_ITS_SUPERVISOR + NOTE_EVENTS)
    insert(supervisors.dsn, *numbers(32))
    first = supervisors.start()
    assert first.wait(60) == -signal.SIGKILL
    searched = [told["n_suspect"] for told in events(supervisors, "batch_failed")]
    assert searched == [32], "in the midst of the search"
    supervisors.start()
    supervisors.wait_for(completed=31, failed=1)
    assert history(supervisors) == [("7", *each) for each in FOUND_GUILTY]
    sizes = [told["n_jobs"] for told in events(supervisors, "batch_failed")]
    assert sizes[0] == 32
    assert max(sizes[1:]) < 32, "the second supervisor knows that they are bad"
    assert len(sizes) <= 2 + math.log2(32) + BUDGET - 1
    paid = supervisors.rows("SELECT args->>'n', state::text FROM actorq.job WHERE n_crashed > 0")
    assert paid == [("7", "failed")]
    rest = "SELECT count(*) FROM actorq.job WHERE n_failed + n_crashed = 0 AND attempt = 1 + n_lost"
    assert supervisors.rows(rest) == [(31,)]
    stop_all(supervisors)
