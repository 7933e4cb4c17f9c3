-- Read the changes behind those that a follower has read, and how far others were dropped.
-- Parameters:
--   sources  text[]  the source of each series that it has read of
--   parities int2[]  0 for its even numbers, 1 for its odd ones
--   nos      int8[]  the last number that was read
--   limit    int8    how many of each series at most
-- Returns: source, parity, number, time, and counts and jobs; or NULL for both, and what all dropped
-- changes of the series up to this number counted.
-- Locks: none. Index: change_pkey; all of series is read.
SELECT s.id::text AS source, p.parity, c.no, extract(epoch FROM c.at)::float8 AS at,
    c.counts::text AS counts, c.jobs::text AS jobs, NULL::int8[] AS dropped
FROM {sources} s, generate_series(0, 1) p (parity), LATERAL (
        SELECT coalesce(max(k.no), 0) AS no
        FROM unnest(:sources::text[], :parities::int2[], :nos::int8[]) k (source, parity, no)
        WHERE k.source = s.id::text AND k.parity = p.parity
    ) k,
    LATERAL (
        SELECT c.no, c.at, c.counts, c.jobs
        FROM {schema}.change c
        WHERE c.source = s.id AND c.no > k.no AND c.no % 2 = p.parity
        ORDER BY c.no LIMIT :limit::int8
    ) c
UNION ALL
SELECT d.source::text, d.parity, d.dropped_no, extract(epoch FROM d.changed_at)::float8,
    NULL, NULL, d.dropped
FROM {schema}.series d
LEFT JOIN unnest(:sources::text[], :parities::int2[], :nos::int8[]) k (source, parity, no)
    ON k.source = d.source::text AND k.parity = d.parity
WHERE d.dropped_no > coalesce(k.no, 0)
