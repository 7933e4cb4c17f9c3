-- Notify the supervisors that hunger for any of some lanes, unless that cannot be sent.
-- Parameters:
--   lanes  int4[]  where there are new jobs
-- Locks: none but that of all notifications, at the commit. Index: lane_pkey, hunger_pkey.
SELECT CASE WHEN pg_notification_queue_usage() < 0.9
    THEN pg_notify('actorq_' || c.relnamespace, a.id::text) END
FROM {schema}.lane a, pg_class c
WHERE c.oid = '{schema}.job'::regclass
  AND a.id = ANY(:lanes::int4[]) AND a.id IN (SELECT h.lane FROM {schema}.hunger h);
