-- Empty the queue between two steps; a trigger empties all that belongs to jobs.
-- Locks: job and every table that belongs to it (ACCESS EXCLUSIVE). Index: none.
TRUNCATE {schema}.job;
