-- Name the tables of which row-level security hides rows from this role. Reads only.
-- Returns a row per table.
-- Locks: none. Index: none of ours.
SELECT c.relname AS name
FROM pg_class c
WHERE c.relnamespace = '{schema}'::regnamespace AND c.relkind = 'r' AND c.relrowsecurity
  AND row_security_active(c.oid)
ORDER BY c.relname;
