-- Count the sessions of this database that are at work, by what they wait for. Reads only.
-- Returns a row per kind of wait; those that wait for nothing use the processor. Sessions of other
-- roles are hidden from a role that may not see them.
-- Locks: none. Index: none.
SELECT coalesce(wait_event_type || ':' || wait_event, 'CPU') AS what, count(*) AS n
FROM pg_stat_activity
WHERE datname = current_database() AND state = 'active' AND pid <> pg_backend_pid()
GROUP BY 1;
