-- Return how many bytes of WAL were ever written. Reads only.
-- Locks: none. Index: none.
SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::int8 AS n;
