-- Return the median of each stage of a job's way, and those of the latency in both halves of the
-- measured part. Reads only.
-- Parameters:
--   from_us   int8  only jobs due from this instant of the step on
--   until_us  int8  … and before this one
--   every     int8  look at one job of so many
-- Returns one row, in microseconds.
-- Locks: none. Index: none.
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY sent_us - due_us) AS send,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY answered_us - sent_us) AS enqueue,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY claimed_us - answered_us) AS wait,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY begun_us - claimed_us) AS dispatch,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY ended_us - begun_us) AS run,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY settled_us - ended_us) AS settle,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY settled_us - due_us)
        FILTER (WHERE due_us < (:from_us::int8 + :until_us::int8) / 2) AS first_half,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY settled_us - due_us)
        FILTER (WHERE due_us >= (:from_us::int8 + :until_us::int8) / 2) AS second_half
FROM pg_temp.stress_stamp
WHERE clean AND due_us >= :from_us::int8 AND due_us < :until_us::int8 AND n % :every::int8 = 0;
