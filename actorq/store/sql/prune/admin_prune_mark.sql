-- Remember what a prune has left in a place. Returns nothing.
-- Parameters:
--   place        int8    the ids divided by 65,536
--   n_pending    int8    how many jobs in it are pending
--   completed_s  float8  when the first completed one ended, in seconds since 1970; NULL if
--                        there is none
--   cancelled_s  float8  the same for the cancelled ones
--   failed_s     float8  the same for the failed ones
--   looked_s     float8  when its examination began, in seconds since 1970
-- Locks: its row of pruned. Index: pruned_pkey.
INSERT INTO {schema}.pruned (place, n_pending, completed_at, cancelled_at, failed_at, looked_at)
VALUES (
    :place::int8, :n_pending::int8,
    to_timestamp(coalesce(:completed_s::float8, 'infinity')),
    to_timestamp(coalesce(:cancelled_s::float8, 'infinity')),
    to_timestamp(coalesce(:failed_s::float8, 'infinity')),
    to_timestamp(:looked_s::float8)
)
ON CONFLICT (place) DO UPDATE
SET n_pending = excluded.n_pending, completed_at = excluded.completed_at,
    cancelled_at = excluded.cancelled_at, failed_at = excluded.failed_at,
    looked_at = excluded.looked_at;
