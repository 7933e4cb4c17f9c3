-- Count the live and dead rows of the tables that change most. Reads only.
-- Locks: none. Index: none of ours, the server's statistics are read.
SELECT s.relname AS name, s.n_live_tup AS n_live, s.n_dead_tup AS n_dead,
    pg_table_size(s.relid) AS bytes
FROM pg_stat_all_tables s
WHERE s.relid IN ('{schema}.job'::regclass, '{schema}.ready'::regclass, '{schema}.lease'::regclass)
ORDER BY s.relname;
