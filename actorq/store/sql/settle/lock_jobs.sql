-- Lock those of the jobs that nobody else holds. $1 ids, in order.
-- Locks: job, in the order of $1. Index: job_pkey.
SELECT j.id
FROM unnest($1::int8[]) v (id), LATERAL (
    SELECT j.id FROM {schema}.job j WHERE j.id = v.id FOR NO KEY UPDATE SKIP LOCKED
) j
