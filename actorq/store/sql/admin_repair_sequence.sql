-- Move the sequence of job ids behind the highest one in use.
SELECT setval(pg_get_serial_sequence('{schema}.job', 'id'), max(j.id)) FROM {schema}.job j;
