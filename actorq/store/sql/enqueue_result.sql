-- Read the stored result of one job as JSON text. $1 id.
SELECT value::text FROM {schema}.result WHERE job = $1
