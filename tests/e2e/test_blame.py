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
SLOW = "            time.sleep(0.01)\n"
HOLD = """
            self.n_batches = getattr(self, "n_batches", 0) + 1
            while self.n_batches == 5 and not os.path.exists("cut"):
                open(f"holds_{self.slot}", "w").close()
                time.sleep(0.01)
"""


def cut_off(supervisors: Supervisors, which: str, *, slots: int) -> None:
    """Break what these processes hold, when all have worked and are in the middle of it.

    Where one had never worked, or everything was done, it would be another story.
    """
    directory = supervisors.directory
    wait_until(lambda: all((directory / f"holds_{slot}").exists() for slot in range(slots)))
    (directory / "to_be_cut").write_text(which)
    (directory / "to_be_cut").rename(directory / "cut")


def test_a_rest_ends_in_a_fresh_process_and_nobody_pays(supervisors: Supervisors) -> None:
    write(supervisors, BREAK + SLOW + HOLD)
    insert(supervisors.dsn, *numbers(2_000))
    supervisors.start()
    cut_off(supervisors, "", slots=1)
    supervisors.wait_for(completed=2_000)
    assert charged(supervisors) == []
    assert events(supervisors, "kind_resting")
    assert [told["planned"] for told in events(supervisors, "actor_exited")] == [True]
    stop_all(supervisors)


def test_the_one_process_that_is_broken_is_replaced_while_the_other_works(
    supervisors: Supervisors,
) -> None:
    write(supervisors, BREAK + SLOW + HOLD, actors=2)
    insert(supervisors.dsn, *numbers(4_000))
    supervisors.start()
    cut_off(supervisors, "0", slots=2)
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
