"""An upgrade under load: nothing is lost, and older supervisors stop only for a contract."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator

import psycopg
import pytest

from actorq.store.admin.doctor import strays
from actorq.store.admin.run import connect_admin
from actorq.store.queue.cancel import cancel
from actorq.store.schema.migrate import migrate
from tests.support.migrations import CODE, NOTES, also_known
from tests.support.running import Supervisors
from tests.support.wait import wait_until

STATES = {"ready", "scheduled", "running", "retrying", "completed", "failed", "cancelled"}
FATES = {"done": "completed", "bad": "failed", "later": "retrying", "tomorrow": "scheduled"}
"""What becomes of a job by what its args ask for, however often the schema changes meanwhile."""

HANDLERS = """
    import os, time, actorq
    if os.path.exists("new code"):
        import pytest
        from tests.support.migrations import CODE, NOTES, also_known
        patch = pytest.MonkeyPatch()
        also_known(patch, "0003_notes", **NOTES)
        also_known(patch, "0004_code", **CODE)

    app = actorq.App()

    @app.actor("load", max_batch=50)
    def load(fate: str) -> None:
        if fate == "bad":
            raise actorq.Fail("it is bad")
        if fate == "later":
            raise actorq.Retry("1h", "not now")

    @app.actor("slow")
    def slow(fate: str) -> None:
        open("slow has begun", "w").close()
        while not os.path.exists("slow may end"):
            time.sleep(0.01)
"""
LOAD = """
    import json, os, time, psycopg
    from handlers import app

    sent = 0
    conn = psycopg.connect(os.environ["ACTORQ_DSN"], autocommit=True)
    while not os.path.exists("enough"):
        for fate in ("done", "bad", "later"):
            app.enqueue_many("load", [{"fate": fate}] * (20 if fate == "done" else 1))
        app.enqueue("load", fate="tomorrow", delay_s="1d")
        app.enqueue("load", fate="done", unique_key=f"{os.getpid()} {sent}")
        insert = "INSERT INTO actorq.job (kind, args) VALUES ('load', '{\\"fate\\": \\"done\\"}')"
        conn.execute(insert)
        sent += 1
        time.sleep(0.02)  # a load, and not a flood
    print(json.dumps(sent))
"""


class Load:
    """Enqueuers as real processes, until they have sent enough."""

    def __init__(self, supervisors: Supervisors) -> None:
        self._supervisors = supervisors
        self._processes: list[subprocess.Popen[str]] = []

    def begin(self, n: int) -> None:
        """Start them."""
        it = self._supervisors
        it.write(LOAD, "load")
        for _ in range(n):
            command = [sys.executable, "load.py"]
            out, err = subprocess.PIPE, subprocess.STDOUT
            self._processes.append(
                subprocess.Popen(
                    command, cwd=it.directory, env=it.env, stdout=out, stderr=err, text=True
                )
            )

    def close(self) -> None:
        """End those that are still there."""
        for process in self._processes:
            process.kill()
            process.communicate()

    def end(self) -> Counter[str]:
        """Stop them, see that none has failed, and return how many jobs of each fate they sent."""
        (self._supervisors.directory / "enough").touch()
        rounds = 0
        for process in self._processes:
            out, _ = process.communicate(timeout=60)
            assert process.returncode == 0, out
            rounds += json.loads(out)
        return Counter({"done": 22 * rounds, "bad": rounds, "later": rounds, "tomorrow": rounds})


@pytest.fixture
def load(supervisors: Supervisors) -> Iterator[Load]:
    """Yield enqueuers for the handlers of this test."""
    supervisors.write(HANDLERS)
    load = Load(supervisors)
    yield load
    load.close()


def fates(supervisors: Supervisors) -> Counter[tuple[str, str]]:
    """Count the jobs of the load by what they ask for and what became of them."""
    rows = supervisors.rows(
        "SELECT args->>'fate', state, count(*) FROM actorq.jobs WHERE kind = 'load' GROUP BY 1, 2"
    )
    return Counter({(fate, state): n for fate, state, n in rows})


def completed(supervisors: Supervisors) -> int:
    return supervisors.states().get("completed", 0)


def every_state(supervisors: Supervisors) -> bool:
    found = {state for (state,) in supervisors.rows("SELECT DISTINCT state FROM actorq.jobs")}
    assert found == STATES, f"{found}; {supervisors.logs()[-2000:]}"
    return True


@pytest.mark.slow
def test_an_upgrade_under_load_loses_nothing(
    supervisors: Supervisors, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    it = supervisors
    old = [it.start("--ttl", "10s") for _ in range(2)]
    load.begin(2)
    with psycopg.connect(it.dsn, autocommit=True) as conn:
        conn.execute("INSERT INTO actorq.job (kind, args) VALUES ('slow', '{\"fate\": \"done\"}')")
        conn.execute("INSERT INTO actorq.job (kind) VALUES ('nobodys')")
        gone = conn.execute(
            "INSERT INTO actorq.job (kind, run_at) VALUES ('load', now() + interval '1 d')"
            " RETURNING id"
        ).fetchall()
    with connect_admin(it.dsn, "actorq") as admin:
        assert cancel(admin, [job for (job,) in gone]).cancelled
    wait_until(lambda: every_state(it), 60, "jobs in every state")
    wait_until(lambda: len(it.rows("SELECT FROM actorq.node")) == 2)
    nodes = it.rows("SELECT id FROM actorq.node ORDER BY id")

    also_known(monkeypatch, "0003_notes", **NOTES)
    assert migrate(it.dsn) == ["0003_notes"]
    before = completed(it)
    wait_until(lambda: completed(it) > before + 500, 60, "the old ones to go on")
    assert it.rows("SELECT id FROM actorq.node ORDER BY id") == nodes
    assert [process.poll() for process in old] == [None, None], it.logs()[-3000:]

    also_known(monkeypatch, "0004_code", **CODE)
    applied: list[list[str]] = []
    contract = threading.Thread(target=lambda: applied.append(migrate(it.dsn)))
    contract.start()
    wait_until(lambda: it.rows("SELECT FROM actorq.migration WHERE n = 3"), what="its beginning")
    (it.directory / "slow may end").touch()  # a batch that runs is let finish
    assert [process.wait(45) for process in old] == [4, 4], it.logs()[-3000:]
    contract.join(60)
    assert applied == [["0004_code"]]
    assert it.start("--drain").wait(45) == 4, "older code that comes later is refused"
    assert not it.rows("SELECT FROM actorq.lease")
    slow = it.rows("SELECT state FROM actorq.jobs WHERE kind = 'slow'")
    assert slow == [("completed",)]

    sent = load.end()
    (it.directory / "new code").touch()
    drained = it.start("--drain")
    assert drained.wait(60) == 0, it.logs()[-3000:]
    expected = {(fate, FATES[fate]): n for fate, n in sent.items()}
    (cancelled,) = ((k, n) for k, n in fates(it).items() if k[1] == "cancelled")
    assert dict(fates(it)) == {**expected, cancelled[0]: 1}
    with connect_admin(it.dsn, "actorq") as admin:
        assert strays(admin) == {}
    charged = "SELECT count(*) FROM actorq.job WHERE n_crashed + n_lost > 0"
    assert it.rows(charged) == [(0,)], "the upgrade is nobody's fault"
