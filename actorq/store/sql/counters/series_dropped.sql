-- Record how far some series were dropped, and how many jobs the dropped changes counted.
-- Parameters:
--   sources    text[]  the source of each series
--   parities   int2[]  0 for its even numbers, 1 for its odd ones
--   nos        int8[]  the last number that is dropped
--   completed  int8[]  how many jobs were completed by what is dropped now
--   failed     int8[]  how many failed
--   retried    int8[]  how many attempts failed, after which the job runs again
--   snoozed    int8[]  how many were put off
--   cancelled  int8[]  how many were cancelled
-- Locks: series. Index: series_pkey.
UPDATE {schema}.series s
SET dropped_no = greatest(s.dropped_no, v.no), changed_at = statement_timestamp(),
    dropped = ARRAY[
        s.dropped[1] + v.completed, s.dropped[2] + v.failed, s.dropped[3] + v.retried,
        s.dropped[4] + v.snoozed, s.dropped[5] + v.cancelled
    ]
FROM unnest(
    :sources::text[], :parities::int2[], :nos::int8[], :completed::int8[], :failed::int8[],
    :retried::int8[], :snoozed::int8[], :cancelled::int8[]
) v (source, parity, no, completed, failed, retried, snoozed, cancelled)
WHERE s.source = v.source::uuid AND s.parity = v.parity
