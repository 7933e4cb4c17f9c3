-- Return how many statements this database has run, by the extension pg_stat_statements.
-- Locks: none. Index: none.
SELECT coalesce(sum(s.calls), 0)::int8 AS n
FROM public.pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid
WHERE d.datname = current_database();
