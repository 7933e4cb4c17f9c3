-- Take the turn to fold, until the transaction ends.
-- Returns whether nobody else has it.
-- Locks: the turn, an advisory lock. Index: none.
SELECT pg_try_advisory_xact_lock('{schema}.change'::regclass::oid::int4, 1)
