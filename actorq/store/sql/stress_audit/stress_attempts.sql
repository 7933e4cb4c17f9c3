-- Count the jobs of a step by how many attempts they had. Reads only.
-- Locks: none. Index: none.
SELECT attempt, count(*) AS n FROM pg_temp.stress_stamp GROUP BY attempt ORDER BY attempt;
