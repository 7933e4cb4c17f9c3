-- Return the stored result of job $1 as text. Reads only.
-- Locks: none. Index: result_pkey.
SELECT r.value::text AS value FROM {schema}.result r WHERE r.job = $1::int8;
