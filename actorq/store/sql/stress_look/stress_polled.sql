-- Count the final jobs from an id on, as somebody does who follows a queue by polling. Reads only.
-- Parameters:
--   low  int8  all jobs below it are counted
-- Returns one row: how many are final; the lowest id that is not, the highest there is; the oldest
-- transaction that still runs and the first that has not begun, which tell when no lower id can
-- appear any more.
-- Locks: none. Index: job_pkey.
SELECT count(*) FILTER (WHERE j.state <> 'pending') AS n_final,
    min(j.id) FILTER (WHERE j.state = 'pending') AS first_pending,
    max(j.id) AS last,
    pg_snapshot_xmin(pg_current_snapshot())::text::int8 AS oldest,
    pg_snapshot_xmax(pg_current_snapshot())::text::int8 AS next
FROM {schema}.job j WHERE j.id >= :low::int8;
