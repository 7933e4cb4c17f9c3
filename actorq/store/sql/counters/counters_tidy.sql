-- Delete what is too old: minutes, series of nodes that are gone, followers that are not heard of,
-- what supervisors have told and reported.
-- Parameters:
--   minutes_s  float8  how long minutes are kept
--   series_s   float8  how long the series of a node that is gone are kept, and lost followers
--   told_s     float8  how long what supervisors told is kept
-- Locks: minute, series, follower, report, told. Index: minute_pkey, node_pkey, change_pkey; all of
-- series, follower, report and told is read.
WITH minutes AS (
    DELETE FROM {schema}.minute m
    WHERE m.at < statement_timestamp() - :minutes_s::float8 * interval '1 second'
), gone AS (
    DELETE FROM {schema}.series s
    WHERE s.changed_at < statement_timestamp() - :series_s::float8 * interval '1 second'
      AND NOT EXISTS (SELECT FROM {schema}.node n WHERE n.id = s.source)
      AND NOT EXISTS (SELECT FROM {schema}.change c WHERE c.source = s.source)
      AND s.source <> '00000000-0000-0000-0000-000000000000'
), lost AS (
    DELETE FROM {schema}.follower f
    WHERE f.until < statement_timestamp() - :series_s::float8 * interval '1 second'
), reported AS (
    DELETE FROM {schema}.report r
    WHERE r.at < statement_timestamp() - :told_s::float8 * interval '1 second'
)
DELETE FROM {schema}.told t
WHERE t.at < statement_timestamp() - :told_s::float8 * interval '1 second'
