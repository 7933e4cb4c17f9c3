-- Find which of some jobs wait for an outcome, whether or not somebody has locked them.
-- Parameters:
--   ids  int8[]  the jobs
-- Locks: none. Index: job_pkey.
SELECT j.id FROM unnest(:ids::int8[]) v (id), LATERAL (
    SELECT j.id FROM {schema}.job j WHERE j.id = v.id AND j.state = 'pending' OFFSET 0
) j
