-- Read the figures of some minutes, lanes and sources.
-- Parameters:
--   at       timestamptz[]  the minutes
--   lanes    int4[]         the lane of each
--   sources  text[]         the source of each
-- Locks: none. Index: minute_pkey.
SELECT m.at, m.lane, m.source::text AS source, m.n_completed, m.n_failed, m.n_retried, m.n_snoozed,
    m.n_cancelled, m.n_batches, m.waited::text AS waited, m.ran::text AS ran,
    m.sizes::text AS sizes, m.cuts::text AS cuts
FROM unnest(:at::timestamptz[], :lanes::int4[], :sources::text[]) v (at, lane, source),
    LATERAL (
        SELECT * FROM {schema}.minute m
        WHERE m.at = v.at AND m.lane = v.lane AND m.source = v.source::uuid
    ) m
