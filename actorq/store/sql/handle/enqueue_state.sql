-- Read the state of one job.
-- Parameters:
--   id  int8  the job
-- Locks: none. Index: job_pkey; every lease is read if it is pending.
SELECT state FROM {schema}.jobs WHERE id = :id
