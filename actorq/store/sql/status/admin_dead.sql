-- Count the failed jobs on some of the pages of `failure`, by lane. Only if all pages are read is
-- each job checked for having failed, because a sample is no exact count anyway. Reads only.
-- Parameters:
--   percent  real  how many of the pages
-- Returns a row per lane that was met.
-- Locks: none. Index: job_pkey; of failure pages are taken at random, or all of them.
SELECT f.lane, count(DISTINCT f.job) AS n_dead
FROM {schema}.failure f TABLESAMPLE SYSTEM (:percent::real)
WHERE f.final
  AND (:percent::real < 100 OR (SELECT j.state = 'failed' FROM {schema}.job j WHERE j.id = f.job))
GROUP BY f.lane;
