-- Estimate how many job rows there are, finished ones included: counting them would read all.
-- Returns: one number.
-- Locks: none. Index: none of ours, pg_class by oid.
SELECT greatest(c.reltuples, 0)::int8 AS n_stored
FROM pg_class c
WHERE c.oid = '{schema}.job'::regclass;
