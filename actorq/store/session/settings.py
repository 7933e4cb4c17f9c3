"""What is set on our connections, for the session or for a transaction."""

from __future__ import annotations

from collections.abc import Mapping

import psycopg

SETTINGS: dict[str, str] = {
    # Generic plans: a custom plan made from the statistics of an empty table is ten times slower.
    "plan_cache_mode": "force_generic_plan",
    "jit": "off",
    # A claim gathers a batch's args, at most 16 MiB, before it answers. With the server's default
    # of 4 MB, large args spill to a temporary file: 15 % slower at 10 kB a job.
    "work_mem": "64MB",
    "default_transaction_isolation": "read committed",
    "default_transaction_deferrable": "off",
    "search_path": "pg_catalog, pg_temp",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "bytea_output": "hex",
    "array_nulls": "on",
    "standard_conforming_strings": "on",
    "synchronous_commit": "on",
    "idle_in_transaction_session_timeout": "60s",
    "idle_session_timeout": "0",
    # Read by the schema's own guard, which lets us, but not a stray UPDATE, move a job's run_at.
    "actorq.own": "on",
}
UNSEEN = {
    # A row that is merely hidden would seem to be gone: make that an error instead.
    "row_security": "off",
}
SINCE_17 = {"transaction_timeout": "0"}


def settings_of(
    conn: psycopg.Connection[object], lock_timeout_s: float, statement_timeout_s: float
) -> dict[str, str]:
    """Return the settings that this connection's server knows, with its timeouts."""
    timeouts = {
        "lock_timeout": f"{round(lock_timeout_s * 1000)}ms",
        "statement_timeout": f"{round(statement_timeout_s * 1000)}ms",
    }
    newer = SINCE_17 if conn.info.server_version >= 170_000 else {}
    return SETTINGS | newer | timeouts


def put(conn: psycopg.Connection[object], settings: Mapping[str, str], *, local: bool) -> None:
    """Set all of them in one round trip, for the session or for the open transaction."""
    if not settings:
        return
    sets = ", ".join([f"pg_catalog.set_config(%s, %s, {str(local).lower()})"] * len(settings))
    values = [part for pair in settings.items() for part in pair]
    conn.execute(f"SELECT {sets}".encode(), values)
