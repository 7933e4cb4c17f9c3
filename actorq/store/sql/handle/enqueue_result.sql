-- Read the stored result of one job as JSON text.
-- Parameters:
--   id  int8  the job
-- Locks: none. Index: result_pkey.
SELECT value::text FROM {schema}.result WHERE job = :id
