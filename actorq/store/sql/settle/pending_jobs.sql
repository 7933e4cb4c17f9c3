-- Find which of the jobs wait for an outcome, locked by somebody or not. $1 ids.
-- Locks: none. Index: job_pkey.
SELECT j.id FROM unnest($1::int8[]) v (id), LATERAL (
    SELECT j.id FROM {schema}.job j WHERE j.id = v.id AND j.state = 'pending' OFFSET 0
) j
