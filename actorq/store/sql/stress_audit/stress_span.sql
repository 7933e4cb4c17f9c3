-- Return how many jobs of a step are final, the time from the first claim to the last outcome, and
-- how long the slowest job took, attempts that failed included.
-- Reads only.
-- Returns one row, in microseconds; NULL if nothing was claimed.
-- Locks: none. Index: none.
SELECT count(settled_us) AS n_final, max(settled_us) - min(claimed_us) AS us,
    max(settled_us - due_us) AS worst_us
FROM pg_temp.stress_stamp;
