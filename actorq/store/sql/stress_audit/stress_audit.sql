-- Count what became of all jobs of a step, and compare it with what was sent and intended.
-- Reads only.
-- Parameters:
--   kinds    text[]  the kinds of the plan
--   n_bytes  int4[]  for each how many bytes its results have, 0 for none
-- Returns one row. A job that was sent in a statement whose answer was lost may be there or not.
-- Locks: none. Index: result_pkey, or all of result is read.
WITH jobs AS MATERIALIZED (
    SELECT s.*, r.value::text AS result,
        CASE WHEN b.n_bytes > 0 AND s.state = 'completed'
            THEN '"' || lpad(to_hex(s.n), b.n_bytes - 2, '0') || '"' END AS expected
    FROM pg_temp.stress_stamp s
    LEFT JOIN unnest(:kinds::text[], :n_bytes::int4[]) b (kind, n_bytes) ON b.kind = s.kind
    LEFT JOIN {schema}.result r ON r.job = s.id
), sent AS (
    SELECT s.g, s.first_n + k AS n
    FROM pg_temp.stress_sent s, generate_series(0, s.n_jobs - 1) k
    WHERE NOT s.doubtful
), lost AS (
    SELECT count(*) AS n FROM sent s
    WHERE NOT EXISTS (SELECT FROM jobs j WHERE j.g = s.g AND j.n = s.n)
)
SELECT (SELECT count(*) FROM sent) AS sent,
    count(*) AS found,
    count(*) FILTER (WHERE state <> 'pending') AS final,
    count(*) FILTER (WHERE state = 'completed') AS completed,
    count(*) FILTER (WHERE state = 'failed') AS failed,
    count(*) FILTER (WHERE state = 'cancelled') AS cancelled,
    (SELECT n FROM lost) AS lost,
    count(*) FILTER (WHERE state = 'pending') AS unfinished,
    count(*) - count(DISTINCT (g, n)) AS duplicates,
    count(*) FILTER (
        WHERE state <> 'pending' AND state <> CASE fate WHEN '' THEN 'completed' ELSE 'failed' END
    ) AS wrong_state,
    count(*) FILTER (WHERE result IS DISTINCT FROM expected) AS wrong_results,
    count(*) FILTER (WHERE n_ran > greatest(attempt, 1)) AS ran_again,
    coalesce(to_hex(bit_xor(hashtextextended(result, id))), '') AS checksum,
    coalesce(to_hex(bit_xor(hashtextextended(expected, id))), '') AS expected_checksum
FROM jobs;
