-- Take due jobs of one lane out of `ready` and put them under leases, in one statement.
-- Parameters:
--   lane        int4    where to look
--   suspect     int4    which group of suspects to claim, or 0 for jobs that are not suspected
--   limit       int8    how many jobs to take at most
--   size        int8    how many of them make a batch, which has a lease of its own
--   node        uuid    who claims
--   lease       int8    the number of the first lease; the others follow it
--   behind_us   int8[]  per priority from 0 to 9, the run_at behind which to look, in microseconds
--   behind_id   int8[]  per priority, the id at that run_at behind which to look
--   min_n       int8    take nothing while fewer jobs are due
--   linger_s    float8  unless the oldest of them has waited for so many seconds
--   brings      bool    whether to bring the jobs along: a claim that waits for its turn does not,
--                       and reads them by lease_read.sql while the next claim has its turn
--   takes_turn  bool    whether to take the lane's turn (see claim_turn.sql) if nobody has it, and
--                       to claim nothing if somebody has
--   part_jobs   int4    how many jobs to a row of the reply, of which there are four at most for
--                       each batch: PostgreSQL refuses rows from 1 GB on
-- {lock}: FOR UPDATE SKIP LOCKED, or nothing if the claims of a lane take turns. Then only the
-- DELETE locks a row, which saves 54 bytes of WAL per row. A row that somebody else has taken since
-- is found to be gone, or the claim waits for it until lock_timeout.
-- Returns rows, of which each repeats: how many jobs left `ready`; where the claim ended, for each
-- priority; how many jobs are waiting and for how long, if min_n kept it from taking any; whether
-- it had the turn, and nobody who had it before took any of the rows that were picked; how many
-- rows it deleted; how many jobs had been due for how long (bucket,number;…: the buckets are those
-- of core/counters/histogram.py). Each row also holds other jobs, as jobs_of.sql returns them, and never those of
-- two batches. A lease also names jobs that are gone or final, until lease_trim.sql removes them:
-- to look for them first would read all jobs twice, or copy all args.
-- There is one index descent per priority, and no row is locked that is not claimed. Whatever
-- follows the DELETE uses the rows that it returned, in the order of `pick`. If the last block is
-- larger than needed, the rest of it goes back at once, in blocks that the next claims can take
-- whole.
-- Locks: the turn, if takes_turn; ready, in the order of the index; that of all notifications, at
-- the commit, if the rest of a block goes back and another node is hungry.
-- Index: ready_pkey, job_pkey, hunger_pkey, lane_pkey.
WITH async AS MATERIALIZED (
    -- A claim lost in a crash only returns its jobs: it need not wait for the disk.
    SELECT set_config('synchronous_commit', 'off', true) AS setting
), turn AS MATERIALIZED (
    SELECT CASE WHEN :takes_turn::bool THEN (
        SELECT pg_try_advisory_xact_lock(c.oid::int4, :lane::int4)
        FROM pg_class c WHERE c.oid = '{schema}.ready'::regclass
    ) ELSE true END AS mine
), home AS MATERIALIZED (
    -- max() makes this one row even if the lane is gone: then no job is of its kind.
    SELECT max(l.queue) AS queue, max(l.kind) AS kind FROM {schema}.lane l WHERE l.id = :lane::int4
), frontier AS MATERIALIZED (
    SELECT (o - 1)::int2 AS priority, id,
        timestamptz 'epoch' + us * interval '1 microsecond' AS run_at
    FROM unnest(:behind_us::int8[], :behind_id::int8[]) WITH ORDINALITY f (us, id, o)
), waiting AS MATERIALIZED (
    SELECT CASE WHEN :min_n::int8 > 1 THEN
        {schema}.waiting(
            :lane::int4, :suspect::int4, :behind_us::int8[], :behind_id::int8[], :min_n::int8
        )
    END AS found
), pick AS MATERIALIZED (
    SELECT r.place
    FROM (
        -- A row for each job, so that LIMIT counts jobs; the first of a block's stands for it.
        SELECT r.place, generate_series(1, r.n) AS k
        FROM frontier f, LATERAL (
            SELECT r.ctid AS place, coalesce(cardinality(r.jobs), 1) AS n
            FROM {schema}.ready r
            WHERE r.lane = :lane::int4 AND r.suspect = :suspect::int4 AND r.priority = f.priority
              AND (r.run_at, r.id) > (f.run_at, f.id) AND r.run_at <= statement_timestamp()
            ORDER BY r.run_at, r.id LIMIT :limit::int8
            {lock}
        ) r
        WHERE (SELECT setting FROM async) = 'off' AND (SELECT mine FROM turn)
          AND (
              SELECT :min_n::int8 <= 1 OR found[1] >= :min_n::int8 OR found[2] >= :linger_s::float8
              FROM waiting
          )
        LIMIT :limit::int8
    ) r
    WHERE r.k = 1
), gone AS MATERIALIZED (
    DELETE FROM {schema}.ready r USING pick p WHERE r.ctid = p.place
    RETURNING r.id, r.run_at, r.priority, r.jobs
), here AS MATERIALIZED (
    SELECT unnest(coalesce(g.jobs, ARRAY[g.id])) AS id FROM gone g
), took AS MATERIALIZED (
    SELECT ARRAY(SELECT id FROM here LIMIT :limit::int8) AS ids,
        CASE WHEN EXISTS (SELECT FROM here OFFSET :limit::int8) THEN {schema}.put_back(
            :lane::int4, :suspect::int4, ARRAY(SELECT id FROM here OFFSET :limit::int8),
            :limit::int8, :node::uuid
        ) END AS n_cut,
        (SELECT count(*) FROM gone) AS n_rows
), made AS (
    INSERT INTO {schema}.lease (node, n, lane, suspect, jobs)
    SELECT :node::uuid, :lease::int8 + batch.k, :lane::int4, :suspect::int4,
        took.ids[batch.k * :size::int8 + 1 : (batch.k + 1) * :size::int8]
    FROM took, generate_series(0, (cardinality(took.ids) - 1) / :size::int8) batch (k)
    WHERE cardinality(took.ids) > 0
)
SELECT cardinality(took.ids),
    (
        SELECT concat_ws(',', p.priority, (extract(epoch FROM p.run_at) * 1000000)::int8, p.id)
        FROM gone p OFFSET greatest((SELECT n_rows FROM took) - 1, 0)
    ) AS last,
    (
        -- The better priorities, each taken to its end: usually none.
        SELECT string_agg(concat_ws(',', l.priority, l.us, l.id), ';')
        FROM (
            SELECT p.priority, (extract(epoch FROM p.run_at) * 1000000)::int8 AS us, p.id,
                lead(p.priority) OVER () AS next
            FROM gone p
            WHERE p.priority < (SELECT max(priority) FROM gone)
        ) l
        WHERE l.next IS DISTINCT FROM l.priority
    ) AS ended,
    CASE WHEN cardinality(took.ids) = 0 THEN (SELECT found[1]::int8 FROM waiting) END AS n_waiting,
    CASE WHEN cardinality(took.ids) = 0 THEN (SELECT found[2] FROM waiting) END AS oldest_s,
    turn.mine AND (
        cardinality(took.ids) = :limit::int8
        OR took.n_rows = (SELECT count(*) FROM pick)
    ) AS alone,
    took.n_rows,
    (
        SELECT string_agg(concat_ws(',', w.bucket, w.n), ';')
        FROM (
            SELECT sum(coalesce(cardinality(g.jobs), 1)) AS n, ceil(
                ln(greatest(date_part('epoch', statement_timestamp() - g.run_at) * 1e6, 1))
                / 0.0400053346136992
            )::int4 AS bucket
            FROM gone g GROUP BY 2
        ) w
    ) AS waited,
    part.k, got.*
FROM took, turn, home,
    generate_series(
        0,
        CASE WHEN :brings::bool THEN greatest(cardinality(took.ids) - 1, 0) / :size::int8 ELSE 0 END
    ) batch (k),
    LATERAL (
        SELECT batch.k * :size::int8 AS first,
            least((batch.k + 1) * :size::int8, cardinality(took.ids)) AS behind
    ) b,
    LATERAL (
        -- OFFSET: or the array would be cut anew wherever it is used.
        SELECT k, CASE WHEN :brings::bool THEN took.ids[k + 1 : least(k + n, b.behind)] END AS ids
        FROM greatest(:part_jobs::int4, (b.behind - b.first + 3) / 4) n,
            generate_series(b.first, greatest(b.behind - 1, b.first), n) k
        OFFSET 0
    ) part,
    {jobs_of}
