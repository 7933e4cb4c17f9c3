-- Count the final jobs between two ids. Reads only.
-- Parameters:
--   low   int8  from this id on
--   high  int8  below this one
-- Returns one row.
-- Locks: none. Index: job_pkey.
SELECT count(*) AS n_final FROM {schema}.job
WHERE id >= :low::int8 AND id < :high::int8 AND state <> 'pending';
