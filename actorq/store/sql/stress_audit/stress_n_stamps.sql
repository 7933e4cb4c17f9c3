-- Count the jobs of a step that have been looked at. Reads only.
-- Locks: none. Index: none.
SELECT count(*) AS n FROM pg_temp.stress_stamp;
