-- How many pages the tables have from which counts are taken. Returns one row. Reads only.
-- Locks: none. Index: none, the files are asked for their sizes.
SELECT pg_relation_size('{schema}.job') / current_setting('block_size')::int AS job,
    pg_relation_size('{schema}.ready') / current_setting('block_size')::int AS ready,
    pg_relation_size('{schema}.failure') / current_setting('block_size')::int AS failure;
