"""Reading what is seen, from the database."""

from __future__ import annotations

import contextlib
import time

import msgspec

from actorq.core.report import NodeReport
from actorq.store.admin.run import run, structs
from actorq.store.admin.status import status
from actorq.store.changes.followers import FollowerEntry, Wishes
from actorq.store.session.connection import Session
from actorq.store.session.faults import Forbidden, translated
from actorq.top.values import DatabaseFacts, RecentFailure, SeenReport, Sight

TTL_S = 10.0
"""How long supervisors go on reporting after the last sign of life of whoever looks."""

N_FAILURES = 5
STATS_NOTE = "GRANT pg_read_all_stats TO {role}: to see the oldest snapshot"
REPORTS_NOTE = "GRANT INSERT, UPDATE, DELETE ON {schema}.follower TO {role}: to see actors"


class Sights:
    """What is seen over one connection; supervisors report while it is looked at."""

    def __init__(self, schema: str) -> None:
        self._schema = schema
        self._entry = FollowerEntry(schema, "top", Wishes(reports=True), TTL_S)
        self._announced: Session | None = None  # the connection on which it was said that we look
        self._may_ask = True

    def look(self, conn: Session) -> Sight:
        """Have supervisors report, and see all that there is to see."""
        self.ask(conn)
        schema = self._schema
        found = status(conn, schema)
        database = structs(DatabaseFacts, run(conn, schema, "admin_database"))[0]
        return Sight(
            time.monotonic(),
            time.strftime("%H:%M:%S"),
            found.lanes,
            found.nodes,
            found.n_stored,
            self._reports(conn),
            structs(RecentFailure, run(conn, schema, "admin_last_failures", most=N_FAILURES)),
            database,
            self._notes(database),
        )

    def leave(self, conn: Session) -> None:
        """Let supervisors report no more."""
        if self._may_ask:
            with translated():
                self._entry.remove(conn)

    def _reports(self, conn: Session) -> dict[str, SeenReport]:
        found: dict[str, SeenReport] = {}
        for row in run(conn, self._schema, "admin_reports"):
            # Code of another version may report what this one cannot read: it has *no report*.
            with contextlib.suppress(msgspec.ValidationError):
                report = msgspec.json.decode(row["report"], type=NodeReport)
                found[row["node"]] = SeenReport(row["age_s"], report)
        return found

    def ask(self, conn: Session) -> None:
        """Have supervisors report for some seconds from now on, if this role may ask for it."""
        if not self._may_ask:
            return
        if self._announced is not conn:
            self._entry.forget()
        try:
            with translated():
                self._entry.put(conn, time.monotonic())
        except Forbidden:
            self._may_ask = False
            return
        if self._announced is not conn:
            run(conn, self._schema, "follow_announce")
            self._announced = conn

    def _notes(self, database: DatabaseFacts) -> list[str]:
        names = {"role": database.role, "schema": self._schema}
        notes = [] if database.sees_all else [STATS_NOTE]
        notes += [] if self._may_ask else [REPORTS_NOTE]
        return [note.format(**names) for note in notes]
