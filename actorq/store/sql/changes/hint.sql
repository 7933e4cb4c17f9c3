-- Notify followers and waiters that something has changed, unless a hanging listener has let the
-- queue of notifications run full.
-- Locks: that of all notifications, at the commit. Index: none.
SELECT CASE WHEN pg_notification_queue_usage() < 0.9 THEN
    pg_notify('actorq_' || to_regnamespace('{schema}')::oid || '_changes', '')
END
