-- Read the last failures, whatever jobs they are of. Reads only.
-- Parameters:
--   most  int8  how many
-- Returns a row each, the newest first.
-- Locks: none. Index: failure_pkey, lane_pkey.
SELECT f.job, l.kind, f.attempt, f.final, f.cause, f.type,
    extract(epoch FROM clock_timestamp() - f.failed_at)::float8 AS age_s
FROM {schema}.failure f JOIN {schema}.lane l ON l.id = f.lane
ORDER BY f.id DESC
LIMIT :most::int8;
