-- Insert many jobs with a given instant and with ids that were reserved before.
-- Locks: as in enqueue_one. Index: lane_queue_kind_key, in the trigger.
COPY {schema}.job (run_at, queue, kind, priority, max_attempts, tags, key, id, args)
FROM STDIN (FORMAT text, ENCODING 'UTF8')
