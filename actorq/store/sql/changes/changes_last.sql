-- Return the last number of each series.
-- Returns: source, parity, number.
-- Locks: none. Index: change_pkey.
SELECT s.id::text AS source, p.parity, c.no
FROM {sources} s, generate_series(0, 1) p (parity), LATERAL (
        SELECT c.no FROM {schema}.change c
        WHERE c.source = s.id AND c.no % 2 = p.parity
        ORDER BY c.no DESC LIMIT 1
    ) c
