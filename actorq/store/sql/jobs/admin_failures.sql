-- List the failed attempts of a job, oldest first. Reads only.
-- Parameters:
--   id  int8  the job
-- Locks: none. Index: failure_of_job.
SELECT f.attempt, f.final, f.cause, f.type, f.message, f.traceback,
    to_char(f.failed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS failed_at
FROM {schema}.failure f
WHERE f.job = :id::int8
ORDER BY f.id;
