-- Read the stored result of one job as JSON text. $1 id.
-- Locks: none. Index: result_pkey.
SELECT value::text FROM {schema}.result WHERE job = $1
