-- Return in one row how many pages the counted tables have. Reads only.
-- Locks: none. Index: none, the files are asked for their sizes.
SELECT pg_relation_size('{schema}.job') / current_setting('block_size')::int AS job,
    pg_relation_size('{schema}.ready') / current_setting('block_size')::int AS ready,
    pg_relation_size('{schema}.failure') / current_setting('block_size')::int AS failure,
    pg_relation_size('{schema}.change') / current_setting('block_size')::int AS change,
    pg_relation_size('{schema}.told') / current_setting('block_size')::int AS told;
