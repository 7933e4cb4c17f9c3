"""Who pays when a service is down, a process is broken, or a few jobs kill it: real processes."""

from __future__ import annotations

import pytest

from tests.e2e.support import NOTE_EVENTS, charged, events, insert, numbers, stop_all
from tests.support.running import Supervisors
from tests.support.wait import wait_until

HANDLER = """
    import os, time, msgspec, actorq
    app = actorq.App()

    class Args(msgspec.Struct):
        n: int

    @app.actor("vector", max_batch={max_batch}, actors={actors}, retry=0, crash_budget=1)
    class Vector:
        def setup(self, slot) -> None:
            self.slot, self.born = slot, time.time()
            time.sleep({setup_s})

        def broken(self) -> bool:
            '''Tell whether what this process holds was cut off since it was set up.'''
            try:
                with open("cut") as file:
                    text = file.read()
                return os.stat("cut").st_mtime > self.born and text in ("", str(self.slot))
            except FileNotFoundError:
                return False

        def handle(self, batch: actorq.Batch[Args]) -> None:
            numbers = [args.n for args in batch.args]
            {trouble}
"""


def write(supervisors: Supervisors, trouble: str, **settings: object) -> None:
    given = {"max_batch": 20, "actors": 1, "setup_s": 0} | settings
    supervisors.write(HANDLER.format(trouble=trouble, **given) + NOTE_EVENTS)


def test_a_service_that_is_down_costs_nobody_an_attempt(supervisors: Supervisors) -> None:
    down = "if os.path.exists('down'):\n                raise ConnectionError('no service')"
    write(supervisors, down)
    (supervisors.directory / "down").touch()
    insert(supervisors.dsn, *numbers(2_000))
    supervisors.start()
    wait_until(lambda: bool(events(supervisors, "kind_resting")))
    failed = events(supervisors, "batch_failed")
    assert len(failed) <= 20
    (supervisors.directory / "down").unlink()
    supervisors.wait_for(completed=2_000)
    assert charged(supervisors) == []
    stop_all(supervisors)


BREAK = "if self.broken():\n                raise ConnectionError('cut off')\n"
SLOW = "            time.sleep(0.01)"


def test_a_rest_ends_in_a_fresh_process_and_nobody_pays(supervisors: Supervisors) -> None:
    write(supervisors, BREAK + SLOW)
    insert(supervisors.dsn, *numbers(2_000))
    supervisors.start()
    wait_until(lambda: supervisors.states()["completed"] > 100)
    (supervisors.directory / "cut").touch()
    supervisors.wait_for(completed=2_000)
    assert charged(supervisors) == []
    assert events(supervisors, "kind_resting")
    assert [told["planned"] for told in events(supervisors, "actor_exited")] == [True]
    stop_all(supervisors)


def test_the_one_process_that_is_broken_is_replaced_while_the_other_works(
    supervisors: Supervisors,
) -> None:
    write(supervisors, BREAK + SLOW, actors=2)
    insert(supervisors.dsn, *numbers(4_000))
    supervisors.start()
    wait_until(lambda: len(events(supervisors, "actor_ready")) == 2)
    (supervisors.directory / "cut").write_text("0")
    supervisors.wait_for(completed=4_000)
    assert charged(supervisors) == []
    assert events(supervisors, "kind_resting") == []
    assert [told["slot"] for told in events(supervisors, "actor_exited")] == [0]
    stop_all(supervisors)


@pytest.mark.timeout(120)
def test_where_set_up_is_dear_a_killer_is_found_by_its_mark(supervisors: Supervisors) -> None:
    bad = (17, 100, 333)
    trouble = f"set(numbers) & set({bad}) and os.kill(os.getpid(), 9)"
    write(supervisors, trouble, setup_s=1, max_batch=256)
    insert(supervisors.dsn, *numbers(400))
    supervisors.start()
    supervisors.wait_for(completed=397, failed=3)
    assert {row[0] for row in charged(supervisors)} == set(map(str, bad))
    deaths = [told for told in events(supervisors, "actor_exited") if not told["planned"]]
    assert len(deaths) <= 3 * len(bad), "halving would take nine for each"
    stop_all(supervisors)
