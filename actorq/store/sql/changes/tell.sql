-- Store some events of one supervisor.
-- Parameters:
--   node    uuid  the supervisor
--   no      int8  the number of the last event
--   n       int4  how many there are
--   events  json  the events
-- Locks: told. Index: told_pkey.
INSERT INTO {schema}.told (node, no, n, events)
VALUES (:node::uuid, :no::int8, :n::int4, :events::json)
ON CONFLICT (node, no) DO UPDATE SET at = excluded.at
