-- Count how long the jobs of a step took in logarithmic buckets, by queue. Reads only.
-- Parameters:
--   from_us   int8    only jobs due from this instant of the step on
--   until_us  int8    … and before this one
--   ln_gamma  float8  the logarithm of the ratio of two neighbouring buckets
-- Returns a row per bucket that is not empty; the largest duration of each stands beside it.
-- Locks: none. Index: none.
SELECT s.queue, v.what, greatest(0, ceil(ln(greatest(v.us, 1)) / :ln_gamma::float8))::int AS bucket,
    count(*) AS n, max(v.us) AS max_us
FROM pg_temp.stress_stamp s
CROSS JOIN LATERAL (
    VALUES ('latency', (s.settled_us - s.due_us)::float8),
        ('waiting', (s.begun_us - s.due_us)::float8),
        ('running', (s.ended_us - s.begun_us)::float8)
) v (what, us)
WHERE s.clean AND s.due_us >= :from_us::int8 AND s.due_us < :until_us::int8 AND v.us IS NOT NULL
GROUP BY 1, 2, 3;
