-- Read leases of one's own, which follow one another, with the jobs still open under them.
-- Parameters:
--   node       uuid  whose leases they are
--   lease      int8  the number of the first
--   last       int8  … and of the last
--   part_jobs  int4  how many jobs to a row, of which there are four at most for each lease
-- Returns: of each lease its number, lane, suspect, seq, whether it was settled in part; and for so
-- many of its jobs a row: where they stand among all, and what jobs_of.sql says of them.
-- Locks: none. Index: lease_pkey, lane_pkey, job_pkey.
WITH held AS MATERIALIZED (
    -- One that was never settled in part is read as it stands, a quarter of the cost, but once:
    -- without [:] its pieces would each be cut out of what is stored apart.
    SELECT l.n, l.lane, l.suspect, l.seq, l.open IS NOT NULL AS opened,
        CASE WHEN l.open IS NULL THEN l.jobs[:]
            ELSE ARRAY(SELECT u.id FROM {schema}.open_jobs(l.jobs, l.open) u ORDER BY u.k)
        END AS ids,
        (SELECT a.queue FROM {schema}.lane a WHERE a.id = l.lane) AS queue,
        (SELECT a.kind FROM {schema}.lane a WHERE a.id = l.lane) AS kind
    FROM {schema}.lease l
    WHERE l.node = :node::uuid AND l.n BETWEEN :lease::int8 AND :last::int8
)
SELECT home.n, home.lane, home.suspect, home.seq, home.opened, k, got.*
FROM held home,
    LATERAL (SELECT greatest(:part_jobs::int4, (cardinality(home.ids) + 3) / 4) AS n) size,
    generate_series(0, greatest(cardinality(home.ids) - 1, 0), size.n) k,
    LATERAL (SELECT home.ids[k + 1 : k + size.n] AS ids OFFSET 0) part,
    {jobs_of}
