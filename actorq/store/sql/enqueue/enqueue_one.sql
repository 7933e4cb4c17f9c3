-- Insert one job. The trigger on job makes it ready in the same statement.
-- Parameters:
--   queue         text         where it waits
--   kind          text         which handler runs it
--   key           text         its key, '' for none
--   priority      int2         from 0, the first, to 9
--   run_at        timestamptz  when it runs, or NULL
--   delay_s       float8       without run_at, in how many seconds it does
--   max_attempts  int2         how often it may be tried, or NULL for as often as its kind allows
--   tags          text[]       its labels, or NULL
--   args          text         its args as JSON text
-- Returns its id.
-- Locks: a lane that it makes; that of all notifications, at the commit, if somebody is hungry.
-- Index: lane_queue_kind_key, in the trigger.
INSERT INTO {schema}.job (queue, kind, key, priority, run_at, max_attempts, tags, args)
VALUES (
    :queue, :kind, :key, :priority,
    coalesce(:run_at::timestamptz, statement_timestamp() + :delay_s::float8 * interval '1 second'),
    :max_attempts::int2, :tags::text[], :args::text::json
)
RETURNING id
