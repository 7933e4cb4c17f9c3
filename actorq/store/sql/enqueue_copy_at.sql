-- Insert many jobs with ids and an instant that were asked for before.
COPY {schema}.job (id, run_at, queue, kind, priority, max_attempts, tags, key, args)
FROM STDIN (FORMAT text, ENCODING 'UTF8')
