"""A supervisor with a simple handler, and the question whether it still serves."""

from __future__ import annotations

from typing import Any, LiteralString

import psycopg

from tests.support.running import Supervisors
from tests.support.wait import wait_until

SOURCE = """
    import actorq
    app = actorq.App()

    @app.actor("victim", max_batch=50, retry=0, max_attempts=2)
    def victim(batch: actorq.Batch):
        for job in batch:
            if job.args == "fail":
                raise ValueError("told so")
            job.done("seen")
"""


class Victim:
    """Insert rows as anybody might, and see that the good jobs beside them complete."""

    def __init__(self, supervisors: Supervisors, conn: psycopg.Connection) -> None:
        self.supervisors, self.conn = supervisors, conn
        supervisors.write(SOURCE)
        self.process = supervisors.start("--ttl-s", "1", "--log-level", "debug")
        self._nodes: list[tuple[Any, ...]] = []

    def begin(self) -> None:
        """Remember which supervisor this is."""
        self._nodes = self._alive()

    def rows(self, sql: LiteralString, *params: Any) -> list[tuple[Any, ...]]:
        """Ask the database."""
        return self.conn.execute(sql, params or None).fetchall()

    def put(self, args: str = '"x"', **columns: Any) -> int:
        """Insert one job by plain SQL."""
        return put(self.conn, args=args, **columns)

    def is_state(self, job: int, state: str) -> bool:
        """Tell whether a job is in this state now."""
        return self.rows("SELECT state::text FROM actorq.job WHERE id = %s", job) == [(state,)]

    def ends(self, job: int, state: str, deadline_s: float = 20) -> None:
        """Wait until a job is in its final state."""

        def reached() -> bool:
            ((found,),) = self.rows("SELECT state::text FROM actorq.job WHERE id = %s", job)
            assert found == state, f"{found}; log: {self.supervisors.logs()[-4000:]}"
            return True

        wait_until(reached, deadline_s, f"job {job} to be {state}")

    def stir(self) -> None:
        """Wait until everything that waits has been done."""

        def done() -> bool:
            ((left,),) = self.rows("SELECT count(*) FROM actorq.job WHERE state = 'pending'")
            assert left == 0, f"{left} are left; log: {self.supervisors.logs()[-4000:]}"
            return True

        wait_until(done, 20, "all jobs to be done")

    def must_be_well(self) -> None:
        """Have new jobs done by the very supervisor that was there before."""
        for job in [self.put(), self.put("{}"), self.put("[1]")]:
            self.ends(job, "completed")
        assert self.process.poll() is None, self.supervisors.logs()
        assert self._alive() == self._nodes
        assert "Traceback" not in self.supervisors.logs()

    def _alive(self) -> list[tuple[Any, ...]]:
        return self.rows(
            "SELECT id FROM actorq.node WHERE pid = %s AND pid_start <> 'x'", self.process.pid
        )


def put(conn: psycopg.Connection, **columns: Any) -> int:
    """Insert one job by plain SQL, as any client might."""
    columns = {"kind": "victim", **columns}
    names, marks = ", ".join(columns), ", ".join(["%s"] * len(columns))
    row = conn.execute(
        f"INSERT INTO actorq.job ({names}) VALUES ({marks}) RETURNING id".encode(),
        list(columns.values()),
    ).fetchone()
    assert row is not None
    return int(row[0])
