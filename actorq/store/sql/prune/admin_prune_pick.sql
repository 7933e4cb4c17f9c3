-- Find the finished jobs of one range of ids that are to be deleted.
-- Parameters:
--   after         int8    only ids above this
--   stretch       int8    how many jobs to examine
--   states        text[]  the states of the jobs to delete
--   older_than_s  float8  only jobs that have been final for so many seconds
--   kind          text    only of this kind, or NULL
--   limit         int8    how many to delete at most
--   until         int8    the last id to examine
-- Returns the last id examined (NULL: none is left), the time of this examination, whether all of
-- these jobs are younger than `older_than_s`, whether all were made an hour ago, and the ids; and
-- of the other jobs how many are pending, and when the first of each final state ended, in seconds
-- since 1970.
-- Locks: none. Index: job_pkey.
WITH cutoff AS MATERIALIZED (
    SELECT statement_timestamp() - :older_than_s::float8 * interval '1 second' AS at
), stretch AS MATERIALIZED (
    SELECT j.id, j.state, j.created_at, coalesce(j.finalized_at, '-infinity') AS ended_at, j.kind
    FROM {schema}.job j
    WHERE j.id > :after::int8 AND j.id <= :until::int8
    ORDER BY j.id
    LIMIT :stretch::int8
), judged AS MATERIALIZED (
    SELECT s.id, s.state, s.created_at, s.ended_at,
        s.state = ANY (:states::text[]::{schema}.job_state[]) AND s.state <> 'pending'
            AND s.ended_at <= c.at AND (:kind::text IS NULL OR s.kind = :kind::text) AS doomed
    FROM stretch s, cutoff c
)
SELECT max(s.id) AS last, extract(epoch FROM statement_timestamp())::float8 AS looked_s,
    min(s.created_at) > (SELECT c.at FROM cutoff c) AS young,
    max(s.created_at) < statement_timestamp() - interval '1 hour' AS settled,
    ARRAY(SELECT d.id FROM judged d WHERE d.doomed ORDER BY d.id LIMIT :limit::int8) AS ids,
    count(*) FILTER (WHERE s.state = 'pending') AS n_pending,
    extract(epoch FROM min(s.ended_at) FILTER (
        WHERE s.state = 'completed' AND NOT s.doomed))::float8 AS completed_s,
    extract(epoch FROM min(s.ended_at) FILTER (
        WHERE s.state = 'cancelled' AND NOT s.doomed))::float8 AS cancelled_s,
    extract(epoch FROM min(s.ended_at) FILTER (
        WHERE s.state = 'failed' AND NOT s.doomed))::float8 AS failed_s
FROM judged s;
