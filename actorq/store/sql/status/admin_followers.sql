-- List those who follow, or wait, and were heard of in time. Reads only.
-- Returns a row each.
-- Locks: none. Index: none; all of follower is read.
SELECT f.name, f.jobs, f.parts, f.hint, f.reports,
    extract(epoch FROM clock_timestamp() - f.since)::float8 AS since_s,
    extract(epoch FROM f.until - clock_timestamp())::float8 AS left_s
FROM {schema}.follower f
WHERE f.until > clock_timestamp()
ORDER BY f.since;
