-- Remember what a prune has left in place $1: $2 pending jobs, and when the first completed ($3),
-- cancelled ($4) and failed one ($5) ended, NULL where there is none; $6 when the look at it began.
-- All are seconds since 1970. Returns nothing.
-- Locks: its row of pruned. Index: pruned_pkey.
INSERT INTO {schema}.pruned (place, n_pending, completed_at, cancelled_at, failed_at, looked_at)
VALUES (
    $1::int8, $2::int8, to_timestamp(coalesce($3::float8, 'infinity')),
    to_timestamp(coalesce($4::float8, 'infinity')), to_timestamp(coalesce($5::float8, 'infinity')),
    to_timestamp($6::float8)
)
ON CONFLICT (place) DO UPDATE
SET n_pending = excluded.n_pending, completed_at = excluded.completed_at,
    cancelled_at = excluded.cancelled_at, failed_at = excluded.failed_at,
    looked_at = excluded.looked_at;
