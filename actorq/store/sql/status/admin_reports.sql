-- Read what supervisors have reported of late. Reads only.
-- Returns a row each, with its age.
-- Locks: none. Index: node_pkey; all of report is read.
SELECT r.node::text AS node, extract(epoch FROM clock_timestamp() - r.at)::float8 AS age_s,
    r.report::text AS report
FROM {schema}.report r
WHERE EXISTS (SELECT FROM {schema}.node n WHERE n.id = r.node);
