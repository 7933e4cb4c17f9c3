-- Ids of jobs in `ready`, newest first. $1 only ids below, $2 limit, $3 which: pending (all of
-- them), ready, scheduled, retrying or suspect, $4 kind or NULL, $5 queue or NULL.
-- Jobs of a row agree in all but the last 7 bits, so at most 128 rows can hold ids between those
-- of another: 128 rows more than ids are wanted hold the newest ones for certain.
-- `ready` has no order by id. But if a hundredth of its pages holds that many rows from some id on,
-- so does all of it: what is older need not be sorted, which is nearly all of the cost.
-- Locks: none. Index: lane_pkey; all of ready is read, no job is.
WITH asked AS MATERIALIZED (
    SELECT $4::text IS NULL AND $5::text IS NULL AS every_lane,
        $3::text = 'suspect' AS suspect,
        CASE $3::text WHEN 'retrying' THEN true
            WHEN 'ready' THEN false WHEN 'scheduled' THEN false END AS again,
        CASE $3::text WHEN 'scheduled' THEN statement_timestamp() ELSE '-infinity' END AS after,
        CASE $3::text WHEN 'ready' THEN statement_timestamp() ELSE 'infinity' END AS until
), lanes AS MATERIALIZED (
    SELECT a.id
    FROM {schema}.lane a
    WHERE ($4::text IS NULL OR a.kind = $4::text) AND ($5::text IS NULL OR a.queue = $5::text)
), bound AS MATERIALIZED (
    SELECT CASE WHEN count(*) = $2::int8 + 128 THEN min(s.place) << 7 ELSE 0 END AS id
    FROM (
        SELECT r.id >> 7 AS place
        FROM {schema}.ready r TABLESAMPLE SYSTEM (1)
        WHERE r.id < $1::int8
          AND r.run_at > (SELECT k.after FROM asked k) AND r.run_at <= (SELECT k.until FROM asked k)
          AND ((SELECT k.again IS NULL FROM asked k) OR r.again = (SELECT k.again FROM asked k))
          AND ((SELECT NOT k.suspect FROM asked k) OR r.suspect <> 0)
          AND ((SELECT k.every_lane FROM asked k) OR r.lane IN (SELECT l.id FROM lanes l))
        ORDER BY 1 DESC
        LIMIT $2::int8 + 128
    ) s
), newest AS MATERIALIZED (
    SELECT r.id, r.jobs
    FROM {schema}.ready r
    -- IS TRUE: or a planner would go through all of the index, and to each row by it.
    WHERE (r.id >= (SELECT b.id FROM bound b) AND r.id < $1::int8) IS TRUE
      AND (r.run_at > (SELECT k.after FROM asked k)
          AND r.run_at <= (SELECT k.until FROM asked k)) IS TRUE
      AND ((SELECT k.again IS NULL FROM asked k) OR r.again = (SELECT k.again FROM asked k))
      AND ((SELECT NOT k.suspect FROM asked k) OR r.suspect <> 0)
      AND ((SELECT k.every_lane FROM asked k) OR r.lane IN (SELECT l.id FROM lanes l))
    ORDER BY r.id >> 7 DESC
    LIMIT $2::int8 + 128
)
SELECT DISTINCT u.id
FROM newest r, unnest(coalesce(r.jobs, ARRAY[r.id])) u (id)
WHERE u.id < $1::int8
ORDER BY u.id DESC
LIMIT $2::int8;
