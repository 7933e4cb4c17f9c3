-- Read the pending jobs of a kind, for tests.
-- Parameters:
--   kind  text  whose jobs
-- Locks: none. Index: none, all of job is read.
SELECT id, queue, priority, key, args::text
FROM {schema}.job
WHERE kind = :kind AND state = 'pending'
ORDER BY id
