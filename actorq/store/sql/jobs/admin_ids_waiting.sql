-- Find ids of jobs in `ready`, newest first.
-- Parameters:
--   before  int8  only ids below this
--   limit   int8  how many to find at most
--   state   text  pending (all of them), ready, scheduled, retrying or suspect
--   kind    text  only of this kind, or NULL
--   queue   text  only of this queue, or NULL
-- The jobs of a row agree in all but the last 7 bits, so at most 128 rows can hold ids between
-- those of another row. Therefore 128 rows more than the number of wanted ids surely hold the
-- newest ones. `ready` has no order by id. But if a hundredth of its pages has that many rows from
-- some id on, so has all of it. Older rows then need not be sorted, which saves nearly all of the
-- cost.
-- Locks: none. Index: lane_pkey; all of ready is read, no job is.
WITH asked AS MATERIALIZED (
    SELECT :kind::text IS NULL AND :queue::text IS NULL AS every_lane,
        :state::text = 'suspect' AS suspect,
        CASE :state::text WHEN 'retrying' THEN true
            WHEN 'ready' THEN false WHEN 'scheduled' THEN false END AS again,
        CASE :state::text WHEN 'scheduled' THEN statement_timestamp() ELSE '-infinity' END AS after,
        CASE :state::text WHEN 'ready' THEN statement_timestamp() ELSE 'infinity' END AS until
), lanes AS MATERIALIZED (
    SELECT a.id
    FROM {schema}.lane a
    WHERE (:kind::text IS NULL OR a.kind = :kind::text)
      AND (:queue::text IS NULL OR a.queue = :queue::text)
), bound AS MATERIALIZED (
    SELECT CASE WHEN count(*) = :limit::int8 + 128 THEN min(s.block) ELSE 0 END AS id
    FROM (
        SELECT {schema}.block_of(r.id) AS block
        FROM {schema}.ready r TABLESAMPLE SYSTEM (1)
        WHERE r.id < :before::int8
          AND r.run_at > (SELECT k.after FROM asked k) AND r.run_at <= (SELECT k.until FROM asked k)
          AND ((SELECT k.again IS NULL FROM asked k) OR r.again = (SELECT k.again FROM asked k))
          AND ((SELECT NOT k.suspect FROM asked k) OR r.suspect <> 0)
          AND ((SELECT k.every_lane FROM asked k) OR r.lane IN (SELECT l.id FROM lanes l))
        ORDER BY 1 DESC
        LIMIT :limit::int8 + 128
    ) s
), newest AS MATERIALIZED (
    SELECT r.id, r.jobs
    FROM {schema}.ready r
    -- IS TRUE stops the planner from walking the whole index, and from there to each row.
    WHERE (r.id >= (SELECT b.id FROM bound b) AND r.id < :before::int8) IS TRUE
      AND (r.run_at > (SELECT k.after FROM asked k)
          AND r.run_at <= (SELECT k.until FROM asked k)) IS TRUE
      AND ((SELECT k.again IS NULL FROM asked k) OR r.again = (SELECT k.again FROM asked k))
      AND ((SELECT NOT k.suspect FROM asked k) OR r.suspect <> 0)
      AND ((SELECT k.every_lane FROM asked k) OR r.lane IN (SELECT l.id FROM lanes l))
    ORDER BY {schema}.block_of(r.id) DESC
    LIMIT :limit::int8 + 128
)
SELECT DISTINCT u.id
FROM newest r, unnest(coalesce(r.jobs, ARRAY[r.id])) u (id)
WHERE u.id < :before::int8
ORDER BY u.id DESC
LIMIT :limit::int8;
