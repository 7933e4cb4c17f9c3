-- Put each of the jobs $1 where it belongs: a pending one that is not leased stands in `ready`
-- exactly once, in its right place; everything else does not. The jobs and their rows in `ready`
-- are locked by earlier statements of the same transaction. Returns rows removed and added.
WITH leased AS MATERIALIZED (
    SELECT DISTINCT u.id
    FROM {schema}.lease l, unnest(l.jobs) WITH ORDINALITY u (id, k)
    WHERE u.id = ANY($1::int8[]) AND (l.open IS NULL OR get_bit(l.open, u.k - 1) = 1)
), due AS MATERIALIZED (
    SELECT j.id, j.run_at, a.id AS lane, coalesce(j.cost, octet_length(j.args::text)) AS cost,
        j.priority
    FROM {schema}.job j
    LEFT JOIN {schema}.lane a ON a.queue = j.queue AND a.kind = j.kind
    WHERE j.id = ANY($1::int8[]) AND j.state = 'pending'
      AND NOT EXISTS (SELECT FROM leased l WHERE l.id = j.id)
), kept AS MATERIALIZED (
    SELECT DISTINCT ON (r.id) r.id, r.suspect
    FROM {schema}.ready r
    JOIN due d ON d.id = r.id AND d.lane = r.lane
        AND d.priority = r.priority AND d.run_at = r.run_at
    ORDER BY r.id, r.suspect
), removed AS (
    DELETE FROM {schema}.ready r
    WHERE r.id = ANY($1::int8[])
      AND NOT EXISTS (
          SELECT FROM kept k
          JOIN due d ON d.id = k.id
          WHERE k.id = r.id AND k.suspect = r.suspect AND d.lane = r.lane
            AND d.priority = r.priority AND d.run_at = r.run_at
      )
    RETURNING r.id
), added AS (
    INSERT INTO {schema}.ready (id, run_at, lane, cost, priority)
    SELECT d.id, d.run_at, d.lane, d.cost, d.priority
    FROM due d
    WHERE NOT EXISTS (SELECT FROM kept k WHERE k.id = d.id)
    RETURNING id
)
SELECT (SELECT count(*) FROM removed) AS n_removed, (SELECT count(*) FROM added) AS n_added;
