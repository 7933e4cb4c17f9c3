-- Count what waits and what runs, by lane. $1: up to how many jobs that wait are looked up, to
-- tell retrying ones; beyond that n_retrying is NULL. Reads only.
-- Returns a row per lane.
-- Locks: none. Index: failure_final, job_pkey; all of ready, lease and lane is read.
WITH waiting AS MATERIALIZED (
    SELECT r.lane,
        sum(r.n) AS n,
        sum(r.n) FILTER (WHERE r.suspect = 0 AND r.run_at <= statement_timestamp()) AS n_due,
        sum(r.n) FILTER (WHERE r.suspect = 0 AND r.run_at > statement_timestamp()) AS n_scheduled,
        sum(r.n) FILTER (WHERE r.suspect <> 0) AS n_suspect,
        min(r.run_at) AS first_at,
        min(r.run_at) FILTER (WHERE r.run_at > statement_timestamp()) AS next_at
    FROM (
        SELECT r.lane, r.suspect, r.run_at, coalesce(cardinality(r.jobs), 1) AS n
        FROM {schema}.ready r
    ) r
    GROUP BY r.lane
), retrying AS (
    SELECT r.lane, count(*) AS n
    FROM {schema}.queued r
    JOIN {schema}.job j ON j.id = r.id
    WHERE j.attempt > 0 AND (SELECT coalesce(sum(w.n), 0) <= $1::int8 FROM waiting w)
    GROUP BY r.lane
), running AS (
    SELECT l.lane, count(*) AS n_batches,
        sum(CASE WHEN l.open IS NULL THEN cardinality(l.jobs) ELSE bit_count(l.open) END) AS n
    FROM {schema}.lease l
    GROUP BY l.lane
), dead AS (
    SELECT j.queue, j.kind, count(*) AS n
    FROM {schema}.failure f
    JOIN {schema}.job j ON j.id = f.job
    WHERE f.final
    GROUP BY j.queue, j.kind
)
SELECT l.queue, l.kind,
    coalesce(w.n_due, 0) AS n_due,
    coalesce(w.n_scheduled, 0) AS n_scheduled,
    CASE WHEN (SELECT coalesce(sum(x.n), 0) <= $1::int8 FROM waiting x)
        THEN coalesce(t.n, 0) END AS n_retrying,
    coalesce(w.n_suspect, 0) AS n_suspect,
    coalesce(r.n, 0)::int8 AS n_running,
    coalesce(r.n_batches, 0) AS n_batches,
    coalesce(d.n, 0) AS n_dead,
    CASE WHEN w.first_at <= statement_timestamp()
        THEN extract(epoch FROM statement_timestamp() - w.first_at)::float8 END AS oldest_due_s,
    extract(epoch FROM w.next_at - statement_timestamp())::float8 AS next_in_s
FROM {schema}.lane l
LEFT JOIN waiting w ON w.lane = l.id
LEFT JOIN retrying t ON t.lane = l.id
LEFT JOIN running r ON r.lane = l.id
LEFT JOIN dead d ON d.queue = l.queue AND d.kind = l.kind
ORDER BY l.queue, l.kind;
