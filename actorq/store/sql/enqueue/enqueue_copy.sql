-- Insert many jobs that are due now; ids and run_at are the table's defaults.
-- Locks: as in enqueue_one. Index: lane_queue_kind_key, in the trigger.
COPY {schema}.job (queue, kind, priority, max_attempts, tags, key, args)
FROM STDIN (FORMAT text, ENCODING 'UTF8')
