"""Invented migrations, for tests of what will be done with the next real ones."""

from __future__ import annotations

import pytest

from actorq.store.schema import numbered
from actorq.store.schema.numbered import Migration, parsed

EXPAND = "-- Phase: expand.\n"
CATALOG = f"""-- Give kinds a note.
{EXPAND}-- Runs: in a transaction.
-- Locks: kind in ACCESS EXCLUSIVE.
ALTER TABLE {{schema}}.kind ADD note text;
"""
JOB_COLUMN = f"""-- Give jobs a note.
{EXPAND}-- Runs: in a transaction.
-- Locks: job in ACCESS EXCLUSIVE.
ALTER TABLE {{schema}}.job ADD note text;
"""
INDEX = f"""-- Find jobs by their notes.
{EXPAND}-- Runs: on its own.
-- Locks: job in SHARE UPDATE EXCLUSIVE.
CREATE INDEX CONCURRENTLY job_note ON {{schema}}.job (note) WHERE note IS NOT NULL;
"""
FUNCTION = f"""-- Have the lane of a kind be made by another text.
{EXPAND}-- Runs: in a transaction.
-- Locks: none.
CREATE OR REPLACE FUNCTION {{schema}}.made_lane(queue text, kind text) RETURNS int
LANGUAGE sql AS $$
    INSERT INTO {{schema}}.lane AS l (queue, kind) VALUES (made_lane.queue, made_lane.kind)
    ON CONFLICT (queue, kind) DO UPDATE SET queue = excluded.queue
    RETURNING l.id
$$;
"""
NOTES = {"1_column": JOB_COLUMN, "2_index": INDEX, "3_function": FUNCTION}

CODE = {
    "1_told": """-- Let no supervisor keep quiet about its code.
-- Phase: contract, for code from 3 on.
-- Runs: in a transaction.
-- Locks: node in ACCESS EXCLUSIVE.
ALTER TABLE {schema}.node ALTER code DROP DEFAULT;
"""
}
CONTRACT = """-- Take away what only code before 3 reads.
-- Phase: contract, for code from 3 on.
-- Runs: in a transaction.
-- Locks: node in ACCESS EXCLUSIVE.
ALTER TABLE {schema}.node RENAME ttl_s TO time_to_live_s;
"""


def also_known(patch: pytest.MonkeyPatch, name: str, **texts: str) -> Migration:
    """Have this process know one migration more than before."""
    more = parsed(name, texts)
    known = (*numbered.migrations(), more)
    patch.setattr(numbered, "migrations", lambda: known)
    return more
