-- Count the failed attempts by their cause. Reads only.
-- Locks: none. Index: none; all of failure is read.
SELECT cause, count(*) AS n FROM {schema}.failure GROUP BY cause ORDER BY cause;
