-- Make what claims and returns of jobs call, and the views of jobs and of what waits.
-- Phase: expand.
-- Runs: in a transaction.
-- Locks: none.

-- Return the lane of a queue and a kind, made if there is none. For what goes back to `ready`:
-- after a restore of some tables only, a job's own lane may be missing.
CREATE FUNCTION {schema}.made_lane(queue text, kind text) RETURNS int LANGUAGE sql AS $$
    INSERT INTO {schema}.lane AS l (queue, kind) VALUES ($1, $2)
    ON CONFLICT (queue, kind) DO UPDATE SET kind = excluded.kind
    RETURNING l.id
$$;

-- Two parts of the claim that most claims do not need. In its own text, which is made ready to run
-- as a whole each time, they would cost a small claim a quarter.

-- Return what a claim of `node` has left of a block to `ready`, in blocks of at most `size` jobs.
-- Others may have met the block while it was locked, and believe that nothing is there.
CREATE FUNCTION {schema}.put_back(lane int, suspect int, jobs bigint[], size bigint, node uuid)
RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO {schema}.ready (id, run_at, lane, suspect, priority, again, jobs)
    SELECT min(b.id), b.run_at, b.lane, $2, b.priority, max(b.attempt) > 0,
        CASE WHEN count(*) > 1 THEN array_agg(b.id ORDER BY b.id) END
    FROM (
        SELECT h.id, h.run_at, h.priority, h.attempt, h.lane, row_number() OVER (
            PARTITION BY h.lane, h.run_at, h.priority, {schema}.block_of(h.id) ORDER BY h.id
        ) AS k
        FROM (
            SELECT j.id, j.run_at, j.priority, j.attempt, CASE WHEN j.kind = l.kind AND j.queue = l.queue
                THEN $1 ELSE {schema}.made_lane(j.queue, j.kind) END AS lane
            FROM {schema}.job j LEFT JOIN {schema}.lane l ON l.id = $1
            WHERE j.id = ANY ($3) AND j.state = 'pending'
        ) h
    ) b
    GROUP BY b.lane, b.run_at, b.priority, {schema}.block_of(b.id), (b.k - 1) / $4
    ORDER BY 1;
    IF EXISTS (SELECT FROM {schema}.hunger h WHERE h.lane = $1 AND h.node <> $5)
        AND pg_notification_queue_usage() < 0.9
    THEN
        PERFORM pg_notify('actorq_' || c.relnamespace, $1::text)
        FROM pg_class c WHERE c.oid = '{schema}.ready'::regclass;
    END IF;
    RETURN cardinality($3);
END $$;

-- Count what is due behind a position for each priority, up to `n`; and for how many seconds the
-- oldest of these jobs has been.
CREATE FUNCTION {schema}.waiting(lane int, suspect int, us bigint[], ids bigint[], n bigint)
RETURNS float8[] LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN ARRAY[count(*), extract(epoch FROM clock_timestamp() - min(w.run_at))]::float8[]
    FROM (
        SELECT r.run_at, generate_series(1, r.n)
        FROM unnest($3, $4) WITH ORDINALITY f (us, id, o), LATERAL (
            SELECT r.run_at, coalesce(cardinality(r.jobs), 1) AS n
            FROM {schema}.ready r
            WHERE r.lane = $1 AND r.suspect = $2 AND r.priority = (f.o - 1)::int2
              AND (r.run_at, r.id)
                  > (timestamptz 'epoch' + f.us * interval '1 microsecond', f.id)
              AND r.run_at <= statement_timestamp()
            ORDER BY r.run_at, r.id LIMIT $5
        ) r
        LIMIT $5
    ) w;
END $$;

-- The pieces that several statements share. What BEGIN ATOMIC or RETURN says is bound here and now,
-- whatever the caller's search_path is, and a planner puts it in the place of the call.

-- The id that a job's block may begin with: jobs of a row of `ready` agree in all but the last 7
-- bits.
CREATE FUNCTION {schema}.block_of(id bigint) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN id >> 7 << 7;

-- Those of a lease's jobs that are open: all of them until it is settled in part, then those whose
-- bit is set. k is their place among all, from 1.
CREATE FUNCTION {schema}.open_jobs(jobs bigint[], open bytea) RETURNS TABLE (id bigint, k bigint)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT u.id, u.k FROM unnest(jobs) WITH ORDINALITY u (id, k)
    WHERE open IS NULL OR get_bit(open, u.k - 1) = 1;
END;

-- The jobs that are open under leases, one by one, with what they have in common.
CREATE VIEW {schema}.leased AS
SELECT o.id, o.k, l.node, l.n, l.lane, l.claimed_at
FROM {schema}.lease l, {schema}.open_jobs(l.jobs, l.open) o;

-- The jobs in `ready`, one by one, with what they have in common with their block.
CREATE VIEW {schema}.queued AS
SELECT unnest(coalesce(r.jobs, ARRAY[r.id])) AS id, r.run_at, r.lane, r.suspect, r.priority,
    r.id AS block, r.again
FROM {schema}.ready r;

-- One readable state per job.
CREATE VIEW {schema}.jobs AS
SELECT j.id, j.queue, j.kind,
    CASE
        WHEN j.state <> 'pending' THEN j.state::text
        WHEN j.id IN (SELECT l.id FROM {schema}.leased l) THEN 'running'
        WHEN j.attempt > 0 THEN 'retrying'
        WHEN j.run_at > clock_timestamp() THEN 'scheduled'
        ELSE 'ready'
    END AS state,
    j.priority, j.key, j.tags, j.run_at, j.created_at, j.attempted_at, j.finalized_at,
    j.cancel_at, j.attempt, j.n_failed, j.n_crashed, j.n_lost, j.max_attempts, j.args
FROM {schema}.job j;
