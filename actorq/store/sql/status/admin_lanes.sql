-- List the lanes with what runs in them. Reads only.
-- Returns a row per lane.
-- Locks: none. Index: none; all of lease and lane is read.
SELECT l.id AS lane, l.queue, l.kind, count(b.lane) AS n_batches,
    coalesce(sum(
        CASE WHEN b.open IS NULL THEN cardinality(b.jobs) ELSE bit_count(b.open) END
    ), 0)::int8 AS n_running
FROM {schema}.lane l
LEFT JOIN {schema}.lease b ON b.lane = l.id
GROUP BY l.id
ORDER BY l.queue, l.kind;
