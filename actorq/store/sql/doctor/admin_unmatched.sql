-- Find jobs whose failures and results do not fit them. Reads only.
-- Parameters:
--   limit  int8  how many to find at most
--   first  int8  the first id to look at
--   last   int8  the last id to look at
-- Returns ids with what is wrong: orphan (a failure or result of no job), marked (a last failure
-- although the job has not failed), elsewhere (a last failure in another lane than the job's),
-- unmarked (failed, without a last failure).
-- Locks: none. Index: job_pkey, failure_of_job and result_pkey for the ids, lane_pkey.
WITH failures AS (
    SELECT f.job AS id,
        CASE WHEN j.id IS NULL THEN 'orphan' WHEN j.state <> 'failed' THEN 'marked'
            ELSE 'elsewhere' END AS what
    FROM {schema}.failure f
    LEFT JOIN {schema}.job j ON j.id = f.job
    WHERE f.job BETWEEN :first::int8 AND :last::int8
      AND (j.id IS NULL OR f.final AND (
          j.state <> 'failed'
          OR NOT EXISTS (
              SELECT FROM {schema}.lane a
              WHERE a.id = f.lane AND a.queue = j.queue AND a.kind = j.kind
          )
      ))
), results AS (
    SELECT r.job AS id, 'orphan' AS what
    FROM {schema}.result r
    WHERE r.job BETWEEN :first::int8 AND :last::int8
      AND NOT EXISTS (SELECT FROM {schema}.job j WHERE j.id = r.job)
), dead AS (
    SELECT j.id, 'unmarked' AS what
    FROM {schema}.job j
    WHERE j.id BETWEEN :first::int8 AND :last::int8 AND j.state = 'failed'
      AND NOT EXISTS (SELECT FROM {schema}.failure f WHERE f.job = j.id AND f.final)
)
SELECT s.id, min(s.what) AS what
FROM (SELECT * FROM failures UNION ALL SELECT * FROM results UNION ALL SELECT * FROM dead) s
GROUP BY s.id
ORDER BY s.id
LIMIT :limit::int8;
