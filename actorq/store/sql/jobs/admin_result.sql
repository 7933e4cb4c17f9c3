-- Return the stored result of a job as text. Reads only.
-- Parameters:
--   id  int8  the job
-- Locks: none. Index: result_pkey.
SELECT r.value::text AS value FROM {schema}.result r WHERE r.job = :id::int8;
