-- First step of a cancel: mark the jobs' own rows. Through these the cancel and every outcome,
-- retry and reap of the jobs happen one after the other. A job that somebody else has locked is not
-- waited for, because two transactions that wait for each other would deadlock.
-- Parameters:
--   ids  int8[]  the jobs, in order
-- Returns the jobs that took the mark.
-- Locks: job, in the order of ids. Index: job_pkey.
WITH mine AS MATERIALIZED (
    SELECT j.id
    FROM unnest(:ids::int8[]) v (id), LATERAL (
        SELECT j.id FROM {schema}.job j
        WHERE j.id = v.id AND j.state = 'pending'
        FOR NO KEY UPDATE SKIP LOCKED
    ) j
)
UPDATE {schema}.job j SET cancel_at = coalesce(j.cancel_at, clock_timestamp())
FROM mine m WHERE j.id = m.id AND j.state = 'pending'
RETURNING j.id
