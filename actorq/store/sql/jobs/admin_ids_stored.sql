-- Examine a range of jobs, newest first, for those whose row has a given state.
-- Parameters:
--   before   int8  only ids below this
--   limit    int8  how many to find at most
--   state    text  only in this state, or NULL
--   kind     text  only of this kind, or NULL
--   queue    text  only of this queue, or NULL
--   stretch  int8  how many jobs to examine
-- Returns the last id examined (NULL: none is left) and the ids that were found.
-- Locks: none. Index: job_pkey, backwards.
WITH stretch AS MATERIALIZED (
    SELECT j.id, j.state, j.kind, j.queue
    FROM {schema}.job j
    WHERE j.id < :before::int8
    ORDER BY j.id DESC
    LIMIT :stretch::int8
)
SELECT (SELECT min(s.id) FROM stretch s) AS last,
    ARRAY(
        SELECT s.id
        FROM stretch s
        WHERE (:state::text IS NULL OR s.state = :state::text::{schema}.job_state)
          AND (:kind::text IS NULL OR s.kind = :kind::text)
          AND (:queue::text IS NULL OR s.queue = :queue::text)
        ORDER BY s.id DESC
        LIMIT :limit::int8
    ) AS ids;
