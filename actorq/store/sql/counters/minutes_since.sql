-- Read the figures of the last minutes that are folded.
-- Parameters:
--   minutes  int4  how many minutes before the present one
-- Locks: none. Index: minute_pkey.
SELECT m.at, m.lane, m.source::text AS source, m.n_completed, m.n_failed, m.n_retried, m.n_snoozed,
    m.n_cancelled, m.n_batches, m.waited::text AS waited, m.ran::text AS ran,
    m.sizes::text AS sizes, m.cuts::text AS cuts
FROM {schema}.minute m
WHERE m.at >= date_trunc('minute', statement_timestamp(), 'UTC')
    - :minutes::int4 * interval '1 minute'
