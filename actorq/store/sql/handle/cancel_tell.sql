-- Last step of a cancel: notify the supervisors that hold the jobs, unless a hanging listener has
-- let the queue of notifications run full. Returns the jobs.
-- Parameters:
--   ids  int8[]  the jobs that run
-- Locks: none but that of all notifications, at the commit. Index: none, every lease is read.
SELECT l.id, CASE WHEN pg_notification_queue_usage() < 0.9 THEN pg_notify(
    'actorq_' || to_regnamespace('{schema}')::oid, concat_ws(' ', 'cancel', l.node, l.n, l.id)
) END
FROM {schema}.leased l
WHERE l.id = ANY (:ids::int8[])
