-- Return the queue and the kind of every lane.
-- Locks: none. Index: none, all of lane is read.
SELECT id, queue, kind FROM {schema}.lane
