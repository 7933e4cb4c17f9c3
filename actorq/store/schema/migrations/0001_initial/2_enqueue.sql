-- Have each job that is inserted become ready, in a lane that is made where it is missing.
-- Phase: expand.
-- Runs: in a transaction.
-- Locks: none.

-- Every job that is inserted, by whatever client and statement, becomes ready in the same
-- statement. Nearly always all of them go into one lane, which is worth a road of its own: joining
-- each row to its lane costs as much as the rest. Whether all did is told by their number alone.
-- A lane that is missing is made at the commit: see new_lane.
CREATE FUNCTION {schema}.job_inserted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    first record;
    lane  record;
    n_inserted bigint;
    n_ready bigint;
BEGIN
    IF '{schema}' <> '"' || TG_TABLE_SCHEMA || '"' THEN
        RAISE EXCEPTION 'actorq: the schema % was renamed to %', '{schema}', TG_TABLE_SCHEMA
            USING ERRCODE = 'restrict_violation',
            HINT = 'Run: actorq doctor --repair --schema ' || TG_TABLE_SCHEMA;
    END IF;
    SELECT i.queue, i.kind INTO first FROM inserted i LIMIT 1;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    SELECT l.id INTO lane FROM {schema}.lane l
    WHERE l.queue = first.queue AND l.kind = first.kind;
    n_inserted := (SELECT count(*) FROM inserted);
    IF lane.id IS NULL THEN
        n_ready := 0;
    ELSIF n_inserted = 1 THEN  -- grouping costs a quarter of a single insert
        INSERT INTO {schema}.ready (id, run_at, lane, priority, again)
        SELECT i.id, i.run_at, lane.id, i.priority, i.attempt > 0
        FROM inserted i
        WHERE i.state = 'pending';
        n_ready := 1;
    ELSE
        WITH placed AS (
            INSERT INTO {schema}.ready (id, run_at, lane, priority, again, jobs)
            SELECT min(i.id), i.run_at, lane.id, i.priority, max(i.attempt) > 0,
                CASE WHEN count(*) > 1 THEN array_agg(i.id ORDER BY i.id) END
            FROM inserted i
            WHERE i.state = 'pending' AND i.queue = first.queue AND i.kind = first.kind
            GROUP BY i.run_at, i.priority, {schema}.block_of(i.id)
            ORDER BY 1
            RETURNING coalesce(cardinality(jobs), 1) AS n
        )
        SELECT coalesce(sum(n), 0) INTO n_ready FROM placed;
    END IF;
    IF n_ready < n_inserted THEN
        INSERT INTO {schema}.new_lane (queue, kind)
        SELECT DISTINCT i.queue, i.kind FROM inserted i
        WHERE NOT EXISTS (
            SELECT FROM {schema}.lane l WHERE l.queue = i.queue AND l.kind = i.kind
        ) AND NOT EXISTS (
            SELECT FROM {schema}.new_lane n WHERE n.queue = i.queue AND n.kind = i.kind
        );
        INSERT INTO {schema}.ready (id, run_at, lane, priority, again, jobs)
        SELECT min(i.id), i.run_at, coalesce(l.id, n.id), i.priority, max(i.attempt) > 0,
            CASE WHEN count(*) > 1 THEN array_agg(i.id ORDER BY i.id) END
        FROM inserted i
        LEFT JOIN {schema}.lane l ON l.queue = i.queue AND l.kind = i.kind
        LEFT JOIN {schema}.new_lane n ON n.queue = i.queue AND n.kind = i.kind
        WHERE i.state = 'pending' AND (lane.id IS NULL OR l.id IS DISTINCT FROM lane.id)
        GROUP BY l.id, n.id, i.run_at, i.priority, {schema}.block_of(i.id)
        ORDER BY 1;
    END IF;

    -- Nobody hears of it where the queue of notifications is full, because a listener hangs: the
    -- insert would fail; nor where the caller says so, for who has notified cannot PREPARE
    -- TRANSACTION. Supervisors look for themselves soon. Two of the hungry are named: if all others
    -- claimed as well, they would in vain. They are the same ones in a whole transaction, of which
    -- equal notifications are sent once. Who waits for a delayed job asks when it is due once a
    -- second, so they are told of what is due sooner.
    PERFORM CASE WHEN pg_notification_queue_usage() < 0.9
        AND coalesce(current_setting('actorq.notify', true), '') <> 'off'
    THEN pg_notify(
        'actorq_' || (SELECT c.relnamespace FROM pg_class c WHERE c.oid = TG_RELID),
        concat_ws(' ', l.id, (
            SELECT string_agg(named.node::text, ' ')
            FROM (
                SELECT h.node FROM {schema}.hunger h WHERE h.lane = l.id
                ORDER BY uuid_hash_extended(h.node, pg_current_xact_id()::text::bigint) LIMIT 2
            ) named
        ))
    ) END
    FROM {schema}.lane l
    WHERE l.id IN (SELECT h.lane FROM {schema}.hunger h)
      AND EXISTS (
          SELECT FROM inserted i
          WHERE i.queue = l.queue AND i.kind = l.kind AND i.state = 'pending'
            AND i.run_at <= clock_timestamp() + interval '1 s'
      );
    RETURN NULL;
END $$;

CREATE TRIGGER job_inserted AFTER INSERT ON {schema}.job
    REFERENCING NEW TABLE AS inserted
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.job_inserted();

-- At the commit of a transaction that enqueued into lanes which nobody had made: make them, all of
-- them at the first call and in one order, or two commits could wait for each other. Where somebody
-- else has made one meanwhile, the jobs move there. What is seen in new_lane is this transaction's
-- own. The jobs themselves are not read: row-level security might hide them even from the owner.
CREATE FUNCTION {schema}.lane_needed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    n_told bigint;
BEGIN
    IF NOT EXISTS (SELECT FROM {schema}.new_lane) THEN
        RETURN NULL;
    END IF;
    INSERT INTO {schema}.lane (id, queue, kind)
    SELECT n.id, n.queue, n.kind FROM {schema}.new_lane n
    WHERE NOT EXISTS (SELECT FROM {schema}.lane l WHERE l.queue = n.queue AND l.kind = n.kind)
    ORDER BY n.queue, n.kind
    ON CONFLICT (queue, kind) DO NOTHING;
    WITH moved AS (
        DELETE FROM {schema}.ready r
        WHERE r.lane = ANY (ARRAY(
            SELECT n.id FROM {schema}.new_lane n
            WHERE NOT EXISTS (SELECT FROM {schema}.lane l WHERE l.id = n.id)
        ))
        RETURNING r.id, r.run_at, r.lane, r.suspect, r.priority, r.again, r.jobs
    ), placed AS (
        INSERT INTO {schema}.ready (id, run_at, lane, suspect, priority, again, jobs)
        -- No lane, for this snapshot cannot see it, must be an error, never a lost job.
        SELECT m.id, m.run_at, (
            SELECT l.id FROM {schema}.new_lane n
            JOIN {schema}.lane l ON l.queue = n.queue AND l.kind = n.kind
            WHERE n.id = m.lane
        ), m.suspect, m.priority, m.again, m.jobs
        FROM moved m
        RETURNING lane
    )
    SELECT count(pg_notify('actorq_' || c.relnamespace, p.lane::text)) INTO n_told
    FROM (SELECT DISTINCT p.lane FROM placed p) p, pg_class c
    WHERE c.oid = TG_RELID AND p.lane IN (SELECT h.lane FROM {schema}.hunger h)
      AND pg_notification_queue_usage() < 0.9
      AND coalesce(current_setting('actorq.notify', true), '') <> 'off';
    DELETE FROM {schema}.new_lane;
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER lane_needed AFTER INSERT ON {schema}.new_lane
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION {schema}.lane_needed();
