-- List the foreign keys of others that refer to job. Returns a row each, with whether it prevents
-- the jobs that it names from being deleted. Reads only.
-- Locks: none. Index: none of ours, the catalog is read.
SELECT c.conname AS name, c.conrelid::regclass::text AS from_table,
    c.confdeltype IN ('a', 'r') AS keeps
FROM pg_constraint c
WHERE c.contype = 'f' AND c.confrelid = '{schema}.job'::regclass
ORDER BY 2, 1;
