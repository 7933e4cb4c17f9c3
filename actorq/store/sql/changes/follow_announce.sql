-- Tell the supervisors that somebody follows what they do; those that listen need not wait for
-- their next beat to find out.
-- Locks: that of all notifications, at the commit. Index: none.
SELECT pg_notify('actorq_' || to_regnamespace('{schema}')::oid, 'follow')
