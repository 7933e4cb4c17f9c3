-- Return how many transactions of this database have been committed. Reads only.
-- Locks: none. Index: none.
SELECT xact_commit AS n FROM pg_stat_database WHERE datname = current_database();
