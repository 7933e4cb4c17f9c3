-- Return the number of the last event that each supervisor has told.
-- Locks: none. Index: none, all of told is read.
SELECT t.node::text AS node, max(t.no) AS no FROM {schema}.told t GROUP BY 1
