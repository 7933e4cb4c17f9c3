-- Read which of these jobs are final, in which state, and which do not exist (state NULL). Jobs that
-- are pending are left out, so that an answer is short while nothing happens.
-- Parameters:
--   ids  int8[]  jobs that somebody waits for
-- Locks: none. Index: job_pkey, one lookup for each id; OFFSET keeps them lookups.
SELECT w.id, j.state::text
FROM unnest(:ids::int8[]) AS w (id)
LEFT JOIN LATERAL (
    SELECT j.state FROM {schema}.job j WHERE j.id = w.id OFFSET 0
) j ON true
WHERE j.state IS DISTINCT FROM 'pending'
