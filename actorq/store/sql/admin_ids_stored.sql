-- Ids of jobs by the state in their row, newest first. $1 only ids below, $2 limit, $3 state or
-- NULL, $4 kind or NULL, $5 queue or NULL.
-- Locks: none. Index: job_pkey, backwards.
SELECT j.id
FROM {schema}.job j
WHERE j.id < $1::int8
  AND ($3::text IS NULL OR j.state = $3::text::{schema}.job_state)
  AND ($4::text IS NULL OR j.kind = $4::text)
  AND ($5::text IS NULL OR j.queue = $5::text)
ORDER BY j.id DESC
LIMIT $2::int8;
