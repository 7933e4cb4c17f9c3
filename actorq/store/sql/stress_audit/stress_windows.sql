-- Count the arrivals and outcomes of a step by window of time. Reads only.
-- Parameters:
--   width_us  int8  how wide a window is
-- Returns a row per window in which anything happened.
-- Locks: none. Index: none.
SELECT w.k, sum(w.arrived)::int8 AS arrived, sum(w.settled)::int8 AS settled
FROM (
    SELECT due_us / :width_us::int8 AS k, count(*) AS arrived, 0 AS settled
    FROM pg_temp.stress_stamp GROUP BY 1
    UNION ALL
    SELECT settled_us / :width_us::int8, 0, count(*)
    FROM pg_temp.stress_stamp WHERE settled_us IS NOT NULL GROUP BY 1
) w
WHERE w.k IS NOT NULL
GROUP BY w.k ORDER BY w.k;
