-- Wait, up to lock_timeout, until nobody else has locked a job.
-- Parameters:
--   id  int8  the job
-- Returns a row if there is such a job.
-- Locks: job. Index: job_pkey.
SELECT FROM {schema}.job WHERE id = :id FOR NO KEY UPDATE
