-- Insert one job. The trigger on job makes it ready in the same statement.
-- $1 queue, $2 kind, $3 key, $4 priority, $5 run_at or NULL, $6 delay in seconds, $7 max_attempts,
-- $8 tags, $9 args as JSON text.
-- Returns its id.
-- Locks: a lane that it makes; that of all notifications, at the commit, if somebody is hungry.
-- Index: lane_queue_kind_key, in the trigger.
INSERT INTO {schema}.job (queue, kind, key, priority, run_at, max_attempts, tags, args)
VALUES (
    $1, $2, $3, $4,
    coalesce($5::timestamptz, statement_timestamp() + $6::float8 * interval '1 second'),
    $7::int2, $8::text[], $9::text::json
)
RETURNING id
