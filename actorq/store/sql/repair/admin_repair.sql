-- Put each of some jobs where it belongs: a pending job that is not leased is in `ready` exactly
-- once, in its right place; no other job is there. Earlier statements of the same transaction have
-- locked the jobs and their rows in `ready`. If a row holds a job wrongly, its other jobs go into a
-- row of their own. Returns how many places were removed and added.
-- Parameters:
--   ids  int8[]  the jobs
-- Locks: the rows of ready that it deletes. Index: job_pkey, lane_queue_kind_key; all of lease and
-- ready is read.
WITH leased AS MATERIALIZED (
    SELECT DISTINCT l.id FROM {schema}.leased l WHERE l.id = ANY(:ids::int8[])
), due AS MATERIALIZED (
    SELECT j.id, j.run_at, a.id AS lane, j.priority, j.attempt
    FROM {schema}.job j
    LEFT JOIN {schema}.lane a ON a.queue = j.queue AND a.kind = j.kind
    WHERE j.id = ANY(:ids::int8[]) AND j.state = 'pending'
      AND NOT EXISTS (SELECT FROM leased l WHERE l.id = j.id)
), held AS MATERIALIZED (
    SELECT r.ctid AS place, r.run_at, r.lane, r.suspect, r.priority, r.again, r.id AS block,
        u.id, u.k
    FROM {schema}.ready r, unnest(coalesce(r.jobs, ARRAY[r.id])) WITH ORDINALITY u (id, k)
    WHERE CASE WHEN r.jobs IS NULL THEN r.id = ANY(:ids::int8[])
        ELSE EXISTS (SELECT FROM unnest(r.jobs) x (id) WHERE x.id = ANY(:ids::int8[])) END
), kept AS MATERIALIZED (
    SELECT DISTINCT ON (h.id) h.id, h.place, h.k
    FROM held h
    JOIN due d ON d.id = h.id AND d.lane = h.lane
        AND d.priority = h.priority AND d.run_at = h.run_at
    WHERE h.id >= h.block AND {schema}.block_of(h.id) = {schema}.block_of(h.block)
    ORDER BY h.id, h.suspect, h.place, h.k
), wrong AS MATERIALIZED (
    SELECT h.place, count(*) AS n
    FROM held h
    WHERE h.id = ANY(:ids::int8[])
      AND NOT EXISTS (SELECT FROM kept k WHERE k.id = h.id AND k.place = h.place AND k.k = h.k)
    GROUP BY h.place
), removed AS MATERIALIZED (
    DELETE FROM {schema}.ready r USING wrong w WHERE r.ctid = w.place
    RETURNING w.place, w.n
), others AS (
    INSERT INTO {schema}.ready (id, run_at, lane, suspect, priority, again, jobs)
    SELECT min(h.id), h.run_at, h.lane, h.suspect, h.priority, h.again,
        CASE WHEN count(*) > 1 THEN array_agg(h.id ORDER BY h.id) END
    FROM removed r
    JOIN held h ON h.place = r.place
    WHERE h.id <> ALL(:ids::int8[])
       OR EXISTS (SELECT FROM kept k WHERE k.id = h.id AND k.place = h.place AND k.k = h.k)
    GROUP BY h.place, h.run_at, h.lane, h.suspect, h.priority, h.again
), added AS (
    -- Not if a claim has taken the job's row since: then the job is leased.
    INSERT INTO {schema}.ready (id, run_at, lane, priority, again, jobs)
    SELECT min(d.id), d.run_at, d.lane, d.priority, max(d.attempt) > 0,
        CASE WHEN count(*) > 1 THEN array_agg(d.id ORDER BY d.id) END
    FROM due d
    WHERE NOT EXISTS (SELECT FROM kept k WHERE k.id = d.id)
      AND NOT EXISTS (
          SELECT FROM held h
          WHERE h.id = d.id AND NOT EXISTS (SELECT FROM removed r WHERE r.place = h.place)
      )
    GROUP BY d.lane, d.run_at, d.priority, {schema}.block_of(d.id)
    RETURNING coalesce(cardinality(jobs), 1) AS n
)
SELECT (SELECT coalesce(sum(n), 0) FROM removed)::int8 AS n_removed,
    (SELECT coalesce(sum(n), 0) FROM added)::int8 AS n_added;
