-- Read the state of one job. $1 id.
-- Locks: none. Index: job_pkey; every lease is read if it is pending.
SELECT state FROM {schema}.jobs WHERE id = $1
