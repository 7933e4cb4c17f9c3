-- Lock some jobs, so that nothing puts them into `ready` before the commit.
-- Parameters:
--   ids  int8[]  the jobs
-- Locks: job by id. Index: job_pkey.
SELECT j.id FROM {schema}.job j WHERE j.id = ANY(:ids::int8[]) ORDER BY j.id FOR NO KEY UPDATE;
