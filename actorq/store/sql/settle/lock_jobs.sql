-- Lock those of some jobs that nobody else has locked.
-- Parameters:
--   ids  int8[]  the jobs, in order
-- Locks: job, in the order of ids. Index: job_pkey.
SELECT j.id
FROM unnest(:ids::int8[]) v (id), LATERAL (
    SELECT j.id FROM {schema}.job j WHERE j.id = v.id FOR NO KEY UPDATE SKIP LOCKED
) j
