-- Return how far each series goes now, and what all its changes have counted.
-- Returns: source, parity, the last number, and the counts of all changes up to it: those dropped,
-- and a list of those of the others.
-- Locks: none. Index: change_pkey; all of series is read, and all of change.
SELECT coalesce(c.source, d.source)::text AS source, coalesce(c.parity, d.parity)::int2 AS parity,
    greatest(c.no, d.dropped_no) AS no, d.dropped, c.counts
FROM (
    SELECT c.source, c.no % 2 AS parity, max(c.no) AS no, json_agg(c.counts)::text AS counts
    FROM {schema}.change c GROUP BY 1, 2
) c
FULL JOIN (
    SELECT source, parity::int8 AS parity, dropped_no, dropped FROM {schema}.series
) d ON d.source = c.source AND d.parity = c.parity
