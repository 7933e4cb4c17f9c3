-- Lock the jobs $1: until the commit nothing puts them into `ready`.
-- Locks: job by id. Index: job_pkey.
SELECT j.id FROM {schema}.job j WHERE j.id = ANY($1::int8[]) ORDER BY j.id FOR NO KEY UPDATE;
