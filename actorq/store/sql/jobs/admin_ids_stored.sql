-- Look at a stretch of jobs, newest first, for those in a state of their row. $1 only ids below,
-- $2 limit, $3 state or NULL, $4 kind or NULL, $5 queue or NULL, $6 how many jobs to look at.
-- Returns the last id looked at (NULL: none is left) and the ids that were found.
-- Locks: none. Index: job_pkey, backwards.
WITH stretch AS MATERIALIZED (
    SELECT j.id, j.state, j.kind, j.queue
    FROM {schema}.job j
    WHERE j.id < $1::int8
    ORDER BY j.id DESC
    LIMIT $6::int8
)
SELECT (SELECT min(s.id) FROM stretch s) AS last,
    ARRAY(
        SELECT s.id
        FROM stretch s
        WHERE ($3::text IS NULL OR s.state = $3::text::{schema}.job_state)
          AND ($4::text IS NULL OR s.kind = $4::text)
          AND ($5::text IS NULL OR s.queue = $5::text)
        ORDER BY s.id DESC
        LIMIT $2::int8
    ) AS ids;
