-- Return the jobs, among some, that foreign keys of others keep from being deleted. Reads only.
-- Parameters:
--   ids  int8[]  the jobs
-- Locks: none. Index: those of the tables that refer.
SELECT u.id FROM unnest({schema}.referenced(:ids::int8[])) u (id);
