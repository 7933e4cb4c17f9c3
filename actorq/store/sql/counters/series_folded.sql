-- Record how far some series are folded.
-- Parameters:
--   sources   text[]  the source of each series
--   parities  int2[]  0 for its even numbers, 1 for its odd ones
--   nos       int8[]  the last number that is folded
-- Locks: series. Index: series_pkey.
INSERT INTO {schema}.series (source, parity, folded_no)
SELECT v.source::uuid, v.parity, v.no
FROM unnest(:sources::text[], :parities::int2[], :nos::int8[]) v (source, parity, no)
ON CONFLICT (source, parity) DO UPDATE
SET folded_no = excluded.folded_no, changed_at = excluded.changed_at
