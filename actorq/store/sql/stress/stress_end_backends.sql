-- End the server processes of all supervisors' connections to this database. Those of the test
-- itself and of clients have other names.
-- Returns a row per process that was ended.
-- Locks: none. Index: none.
SELECT pg_terminate_backend(pid) AS ended FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
  AND application_name LIKE 'actorq%'
  AND application_name NOT IN ('actorq stress', 'actorq client', 'actorq waiter', 'actorq admin');
