-- Read the last failure of each of these jobs, which is why a failed one has failed.
-- Parameters:
--   ids  int8[]  jobs that somebody has waited for
-- Locks: none. Index: failure_of_job, one lookup for each id.
SELECT w.id, f.attempt, f.cause, f.type, f.message, f.traceback
FROM unnest(:ids::int8[]) AS w (id)
CROSS JOIN LATERAL (
    SELECT f.*
    FROM (
        -- OFFSET stops a planner that believes `failure` to be small from walking all of it by id.
        SELECT f.id, f.attempt, f.cause, f.type, f.message, f.traceback
        FROM {schema}.failure f
        WHERE f.job = w.id
        OFFSET 0
    ) f
    ORDER BY f.id DESC
    LIMIT 1
) f
