-- Ids of dead letters, newest first, by way of their last failure. $1 only ids below,
-- $2 limit, $3 not looked at, $4 kind or NULL, $5 queue or NULL.
-- Locks: none. Index: failure_final backwards, once for each lane; job_pkey.
SELECT DISTINCT f.job AS id
FROM {schema}.lane a, LATERAL (
    SELECT f.job
    FROM {schema}.failure f
    WHERE f.lane = a.id AND f.final AND f.job < $1::int8 AND $3::text IS NOT NULL
      AND (SELECT j.state = 'failed' FROM {schema}.job j WHERE j.id = f.job)
    ORDER BY f.job DESC
    LIMIT $2::int8
) f
WHERE ($4::text IS NULL OR a.kind = $4::text) AND ($5::text IS NULL OR a.queue = $5::text)
ORDER BY f.job DESC
LIMIT $2::int8;
