-- Tell whether there is any job. Reads only.
-- Locks: none. Index: none; the first row that is met decides.
SELECT EXISTS (SELECT FROM {schema}.job) AS any_job;
