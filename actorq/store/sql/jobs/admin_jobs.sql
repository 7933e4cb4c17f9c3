-- Describe jobs, newest first. Instants are turned into text here, because the database supports
-- more of them than Python does. Reads only.
-- Parameters:
--   ids        int8[]  which
--   with_args  bool    whether with their args
-- Locks: none. Index: job_pkey, failure_of_job; every lease is read.
SELECT j.id, j.state, j.queue, j.kind, j.priority, j.key,
    coalesce(j.tags, '{}') AS tags,
    j.attempt, j.n_failed, j.n_crashed, j.n_lost, j.max_attempts,
    to_char(j.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS created_at,
    to_char(j.run_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS run_at,
    to_char(j.attempted_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS attempted_at,
    to_char(j.finalized_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS finalized_at,
    to_char(j.cancel_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS cancel_at,
    extract(epoch FROM statement_timestamp() - coalesce(j.finalized_at, j.run_at))::float8 AS age_s,
    f.cause, f.type AS error_type, f.message AS error_message,
    CASE WHEN :with_args::bool THEN j.args::text END AS args
FROM {schema}.jobs j
LEFT JOIN LATERAL (
    SELECT f.cause, f.type, left(f.message, 500) AS message
    FROM (
        -- OFFSET stops a planner that believes `failure` to be small from walking all of it by id.
        SELECT f.id, f.cause, f.type, f.message
        FROM {schema}.failure f
        WHERE f.job = j.id
        OFFSET 0
    ) f
    ORDER BY f.id DESC
    LIMIT 1
) f ON true
WHERE j.id = ANY(:ids::int8[])
ORDER BY j.id DESC;
