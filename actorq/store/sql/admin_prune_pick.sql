-- Find the finished jobs of one stretch of ids that are to go. $1 only ids above, $2 how many jobs
-- to look at, $3 states, $4 finalized at least so many seconds ago, $5 kind or NULL, $6 at most so
-- many.
-- Returns the last id looked at (NULL: none is left), whether all of these jobs were made after
-- that time, and the ids.
-- Locks: none. Index: job_pkey.
WITH stretch AS MATERIALIZED (
    SELECT j.id, j.state, j.created_at, j.finalized_at, j.kind
    FROM {schema}.job j
    WHERE j.id > $1::int8
    ORDER BY j.id
    LIMIT $2::int8
), cutoff AS MATERIALIZED (
    SELECT statement_timestamp() - $4::float8 * interval '1 second' AS at
)
SELECT (SELECT max(s.id) FROM stretch s) AS last,
    (SELECT min(s.created_at) FROM stretch s) > cutoff.at AS young,
    ARRAY(
        SELECT s.id
        FROM stretch s
        WHERE s.state = ANY ($3::text[]::{schema}.job_state[]) AND s.state <> 'pending'
          AND coalesce(s.finalized_at, '-infinity') <= cutoff.at
          AND ($5::text IS NULL OR s.kind = $5::text)
        ORDER BY s.id
        LIMIT $6::int8
    ) AS ids
FROM cutoff;
