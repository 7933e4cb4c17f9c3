-- Delete finished jobs of one stretch of ids, with their results and failures. $1 only ids
-- above, $2 how many ids to look at, $3 states, $4 finalized at least so many seconds ago, $5
-- kind or NULL, $6 delete at most so many. Returns the last id looked at (NULL: none is left)
-- and the number deleted. The state is compared once more in the DELETE itself: a job that is
-- being retried stays.
-- Locks: job, result, failure. Index: job_pkey, result_pkey, failure_of_job.
WITH stretch AS MATERIALIZED (
    SELECT j.id, j.state, j.finalized_at, j.kind
    FROM {schema}.job j
    WHERE j.id > $1::int8
    ORDER BY j.id
    LIMIT $2::int8
), doomed AS MATERIALIZED (
    SELECT s.id
    FROM stretch s
    WHERE s.state = ANY($3::text[]::{schema}.job_state[]) AND s.state <> 'pending'
      AND coalesce(s.finalized_at, '-infinity')
          <= statement_timestamp() - $4::float8 * interval '1 second'
      AND ($5::text IS NULL OR s.kind = $5::text)
    ORDER BY s.id
    LIMIT $6::int8
), gone AS (
    DELETE FROM {schema}.job j
    USING doomed d
    WHERE j.id = d.id AND j.state = ANY($3::text[]::{schema}.job_state[]) AND j.state <> 'pending'
    RETURNING j.id
), results AS (
    DELETE FROM {schema}.result r USING gone g WHERE r.job = g.id
), failures AS (
    DELETE FROM {schema}.failure f USING gone g WHERE f.job = g.id
)
SELECT (SELECT max(s.id) FROM stretch s) AS last, (SELECT count(*) FROM gone) AS n_deleted;
