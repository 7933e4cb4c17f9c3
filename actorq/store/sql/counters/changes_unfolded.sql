-- Read the changes that are not folded into minutes yet, in the order of each source's numbers.
-- Parameters:
--   limit  int8  how many of each source at most
-- Returns: source, number, the minute in which it was, counts, and times or NULL.
-- Locks: none. Index: change_pkey, series_pkey.
SELECT s.id::text AS source, c.no, date_trunc('minute', c.at, 'UTC') AS minute,
    c.counts::text AS counts, c.times::text AS times
FROM {sources} s,
    LATERAL (
        SELECT coalesce(min(f.folded_no) FILTER (WHERE f.parity = 0), 0) AS even,
            coalesce(min(f.folded_no) FILTER (WHERE f.parity = 1), 0) AS odd
        FROM {schema}.series f WHERE f.source = s.id
    ) f,
    LATERAL (
        SELECT c.no, c.at, c.counts, c.times
        FROM {schema}.change c
        WHERE c.source = s.id AND c.no > least(f.even, f.odd)
          AND c.no > CASE c.no % 2 WHEN 0 THEN f.even ELSE f.odd END
        ORDER BY c.no LIMIT :limit::int8
    ) c
