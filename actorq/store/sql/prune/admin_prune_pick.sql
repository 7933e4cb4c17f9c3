-- Find the finished jobs of one stretch of ids that are to go. $1 only ids above, $2 how many jobs
-- to look at, $3 states, $4 finalized at least so many seconds ago, $5 kind or NULL, $6 at most so
-- many, $7 the last id.
-- Returns the last id looked at (NULL: none is left), when that was, whether all of these jobs were made after
-- that time, whether all were made an hour ago, and the ids; and of the other jobs how many are
-- pending, and when the first one of each final state ended, in seconds since 1970.
-- Locks: none. Index: job_pkey.
WITH cutoff AS MATERIALIZED (
    SELECT statement_timestamp() - $4::float8 * interval '1 second' AS at
), stretch AS MATERIALIZED (
    SELECT j.id, j.state, j.created_at, coalesce(j.finalized_at, '-infinity') AS ended_at, j.kind
    FROM {schema}.job j
    WHERE j.id > $1::int8 AND j.id <= $7::int8
    ORDER BY j.id
    LIMIT $2::int8
), judged AS MATERIALIZED (
    SELECT s.id, s.state, s.created_at, s.ended_at,
        s.state = ANY ($3::text[]::{schema}.job_state[]) AND s.state <> 'pending'
            AND s.ended_at <= c.at AND ($5::text IS NULL OR s.kind = $5::text) AS doomed
    FROM stretch s, cutoff c
)
SELECT max(s.id) AS last, extract(epoch FROM statement_timestamp())::float8 AS looked_s,
    min(s.created_at) > (SELECT c.at FROM cutoff c) AS young,
    max(s.created_at) < statement_timestamp() - interval '1 hour' AS settled,
    ARRAY(SELECT d.id FROM judged d WHERE d.doomed ORDER BY d.id LIMIT $6::int8) AS ids,
    count(*) FILTER (WHERE s.state = 'pending') AS n_pending,
    extract(epoch FROM min(s.ended_at) FILTER (
        WHERE s.state = 'completed' AND NOT s.doomed))::float8 AS completed_s,
    extract(epoch FROM min(s.ended_at) FILTER (
        WHERE s.state = 'cancelled' AND NOT s.doomed))::float8 AS cancelled_s,
    extract(epoch FROM min(s.ended_at) FILTER (
        WHERE s.state = 'failed' AND NOT s.doomed))::float8 AS failed_s
FROM judged s;
