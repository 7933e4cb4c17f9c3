-- Count the jobs on some of the table's pages, finished ones included.
-- Parameters:
--   percent  real  how many of the pages
-- Returns: one number.
-- Locks: none. Index: none, pages are taken at random, or all of them.
SELECT count(*) AS n_stored FROM {schema}.job TABLESAMPLE SYSTEM (:percent::real);
