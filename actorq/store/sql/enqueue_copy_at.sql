-- Insert many jobs with an instant and ids that were asked for before.
COPY {schema}.job (run_at, queue, kind, priority, max_attempts, tags, key, id, args)
FROM STDIN (FORMAT text, ENCODING 'UTF8')
