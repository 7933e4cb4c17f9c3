-- Count the jobs on $1 percent of the table's pages, finished ones included.
-- Returns: one number.
-- Locks: none. Index: none, pages are taken at random, or all of them.
SELECT count(*) AS n_stored FROM {schema}.job TABLESAMPLE SYSTEM ($1::real);
