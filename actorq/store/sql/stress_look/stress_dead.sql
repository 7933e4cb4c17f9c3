-- Return how many dead rows the tables of the schema hold, as far as the server knows. Reads only.
-- Parameters:
--   schema  text  the schema
-- Locks: none. Index: none.
SELECT coalesce(sum(n_dead_tup), 0)::int8 AS n FROM pg_stat_user_tables
WHERE schemaname = :schema::text;
