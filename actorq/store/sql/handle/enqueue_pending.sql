-- Read the pending jobs of a kind, for tests. $1 kind.
-- Locks: none. Index: none, all of job is read.
SELECT id, queue, priority, key, args::text
FROM {schema}.job
WHERE kind = $1 AND state = 'pending'
ORDER BY id
