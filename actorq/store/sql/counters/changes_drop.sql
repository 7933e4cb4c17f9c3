-- Delete changes that are folded, except the last of each series of a live node, which tells
-- whether a settle has committed. While somebody follows jobs, what is young and fits stays too.
-- Parameters:
--   keep_s      float8  how old a change may become while somebody follows
--   keep_bytes  int8    how many bytes the names of jobs may have while somebody follows
-- Returns: source, number, counts.
-- Locks: change. Index: change_pkey, series_pkey, node_pkey; all of follower is read, and all of
-- change while somebody follows.
WITH followed AS MATERIALIZED (
    SELECT EXISTS (
        SELECT FROM {schema}.follower f WHERE f.jobs AND f.until > statement_timestamp()
    ) AS is_so
), full_at AS MATERIALIZED (
    -- The newest change that no longer fits; NULL if all do.
    SELECT max(c.at) AS at
    FROM (
        SELECT c.at, sum(pg_column_size(c.jobs)) OVER (ORDER BY c.at DESC) AS n_bytes
        FROM {schema}.change c WHERE (SELECT is_so FROM followed) AND c.jobs IS NOT NULL
    ) c
    WHERE c.n_bytes > :keep_bytes::int8
), folded AS MATERIALIZED (
    SELECT c.source, c.no
    FROM {schema}.series f
    LEFT JOIN LATERAL (
        -- The first that stays. All behind it stay, too, even if the clock was set back meanwhile:
        -- a series is dropped from its beginning on.
        SELECT k.no FROM {schema}.change k
        WHERE k.source = f.source AND k.no % 2 = f.parity AND (SELECT is_so FROM followed)
          AND k.at >= statement_timestamp() - :keep_s::float8 * interval '1 second'
          AND (k.at > (SELECT at FROM full_at)) IS NOT FALSE
        ORDER BY k.no LIMIT 1
    ) young ON true,
    LATERAL (
        SELECT c.source, c.no FROM {schema}.change c
        WHERE c.source = f.source AND c.no <= f.folded_no AND c.no % 2 = f.parity
          AND (c.no < f.folded_no OR NOT EXISTS (SELECT FROM {schema}.node n WHERE n.id = f.source))
          AND c.no < coalesce(young.no, 9223372036854775807)
    ) c
)
DELETE FROM {schema}.change c USING folded f WHERE c.source = f.source AND c.no = f.no
RETURNING c.source::text, c.no, c.counts::text
