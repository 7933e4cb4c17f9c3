-- Make what numbers the changes of whoever is no settler: cancels, reaps, retries by an operator.
-- Phase: expand.
-- Runs: in a transaction.
-- Locks: none.

-- Numbers of source 0, all of them even.
CREATE SEQUENCE {schema}.change_no INCREMENT 2 MINVALUE 2 CACHE 1;

-- A change of an open transaction that has no number yet. It gets one at the commit, under a lock
-- that is held only from there to the end of the commit: so that numbers commit in order, and a
-- transaction that stays open after a cancel keeps nobody waiting.
CREATE TABLE {schema}.new_change (
    id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    counts json   NOT NULL,
    jobs   json
);

CREATE FUNCTION {schema}.change_numbered() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    given bigint;
    last  bigint;
BEGIN
    DELETE FROM {schema}.new_change WHERE id = NEW.id;
    PERFORM pg_advisory_xact_lock('{schema}.change'::regclass::oid::int4, 0);
    given := nextval('{schema}.change_no');
    last := greatest(
        (
            SELECT c.no FROM {schema}.change c
            WHERE c.source = '00000000-0000-0000-0000-000000000000' ORDER BY c.no DESC LIMIT 1
        ),
        (
            SELECT s.folded_no FROM {schema}.series s
            WHERE s.source = '00000000-0000-0000-0000-000000000000' AND s.parity = 0
        )
    );
    IF given <= last THEN -- the sequence is behind, as after a restore or a switch to a replica
        PERFORM setval('{schema}.change_no', last);
        given := nextval('{schema}.change_no');
    END IF;
    INSERT INTO {schema}.change (source, no, at, counts, jobs)
    VALUES (
        '00000000-0000-0000-0000-000000000000', given, clock_timestamp(), NEW.counts, NEW.jobs
    );
    IF EXISTS (
        SELECT FROM {schema}.follower f WHERE f.hint AND f.until > statement_timestamp()
    ) AND pg_notification_queue_usage() < 0.9 THEN
        PERFORM pg_notify('actorq_' || to_regnamespace('{schema}')::oid || '_changes', '');
    END IF;
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER change_numbered AFTER INSERT ON {schema}.new_change
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION {schema}.change_numbered();

-- Note a change of jobs' states: their lanes, ids, new states and attempts, in parallel arrays.
-- Retried by an operator is no outcome, and not counted. Whoever may change a job may note it.
CREATE FUNCTION {schema}.note_change(lanes int[], ids bigint[], states text[], attempts int[])
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    counts json;
    jobs   json;
BEGIN
    counts := (
        SELECT json_agg(json_build_array(
            c.lane, 0, c.n_failed, c.n_retried, 0, c.n_cancelled
        ))
        FROM (
            SELECT u.lane, count(*) FILTER (WHERE u.state = 'failed') AS n_failed,
                count(*) FILTER (WHERE u.state = 'retried') AS n_retried,
                count(*) FILTER (WHERE u.state = 'cancelled') AS n_cancelled
            FROM unnest(lanes, states) u (lane, state)
            WHERE u.state <> 'requeued'
            GROUP BY u.lane
        ) c
    );
    IF EXISTS (
        SELECT FROM {schema}.follower f WHERE f.jobs AND f.until > statement_timestamp()
    ) THEN
        jobs := (
            SELECT json_build_array('[]'::json, json_agg(
                json_build_array(u.lane, u.id, u.state, u.attempt, NULL) ORDER BY u.id
            ))
            FROM unnest(lanes, ids, states, attempts) u (lane, id, state, attempt)
            HAVING count(*) > 0
        );
    END IF;
    IF counts IS NOT NULL OR jobs IS NOT NULL THEN
        INSERT INTO {schema}.new_change (counts, jobs) VALUES (coalesce(counts, '[]'), jobs);
    END IF;
    RETURN coalesce(cardinality(ids), 0);
END $$;
