-- Wait, up to lock_timeout, until nobody else holds the job $1.
-- Returns a row if there is such a job.
-- Locks: job. Index: job_pkey.
SELECT FROM {schema}.job WHERE id = $1 FOR NO KEY UPDATE
