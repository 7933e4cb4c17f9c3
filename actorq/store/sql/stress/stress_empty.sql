-- Empty the session's tables for the next step.
-- Locks: none that others meet. Index: none.
TRUNCATE pg_temp.stress_sent, pg_temp.stress_ran, pg_temp.stress_stamp;
