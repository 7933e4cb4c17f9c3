-- Move the sequence of job ids behind the highest one in use.
-- Locks: none. Index: job_pkey, for the highest id.
SELECT setval(pg_get_serial_sequence('{schema}.job', 'id'), max(j.id)) FROM {schema}.job j;
