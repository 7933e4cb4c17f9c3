-- Insert many jobs that are due now; ids and run_at are the table's defaults.
COPY {schema}.job (queue, kind, priority, max_attempts, tags, key, args)
FROM STDIN (FORMAT text, ENCODING 'UTF8')
