-- Keep what people write by hand right, take what belongs to a job with it, and let nobody else in.
-- Phase: expand.
-- Runs: in a transaction.
-- Locks: none.

-- What people write by hand into job is either made right or refused with the command that does it.
-- actorq.own is set by actorq's own connections.
CREATE FUNCTION {schema}.job_guarded() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'actorq: job % is pending and cannot be deleted', OLD.id
            USING ERRCODE = 'restrict_violation', HINT = 'Cancel the job first: actorq cancel.';
    ELSIF TG_NAME = 'job_stated' THEN
        RAISE EXCEPTION 'actorq: the state of a job cannot be updated'
            USING ERRCODE = 'restrict_violation',
            HINT = 'Run it again: actorq retry. End it: actorq cancel. Remove it: actorq prune.';
    END IF;
    RAISE EXCEPTION 'actorq: queue, kind, key, priority and run_at of a job cannot be updated'
        USING ERRCODE = 'restrict_violation', HINT = 'Cancel the job and enqueue it again.';
END $$;

CREATE TRIGGER job_kept AFTER DELETE ON {schema}.job
    FOR EACH ROW WHEN (OLD.state = 'pending')
    EXECUTE FUNCTION {schema}.job_guarded();

-- One check per statement: a trigger for each row would lock every row a second time. WHEN, for
-- every settle passes here: it spares the function's call.
CREATE TRIGGER job_placed
    BEFORE UPDATE OF id, queue, kind, key, unique_key, priority, run_at ON {schema}.job
    FOR EACH STATEMENT
    WHEN (coalesce(pg_catalog.current_setting('actorq.own', true), '') <> 'on')
    EXECUTE FUNCTION {schema}.job_guarded();
CREATE TRIGGER job_stated BEFORE UPDATE OF state ON {schema}.job
    FOR EACH STATEMENT
    WHEN (coalesce(pg_catalog.current_setting('actorq.own', true), '') <> 'on')
    EXECUTE FUNCTION {schema}.job_guarded();

-- What belongs to a job goes with it, whoever deletes it: ids may be used again after a TRUNCATE.
-- The settings keep the server from reading whole tables for a few jobs.
CREATE FUNCTION {schema}.job_deleted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
    DELETE FROM {schema}.result r USING deleted d WHERE r.job = d.id;
    DELETE FROM {schema}.failure f USING deleted d WHERE f.job = d.id;
    DELETE FROM {schema}.unique_key k USING deleted d
    WHERE k.kind = d.kind AND k.key = d.unique_key AND k.job = d.id;
    RETURN NULL;
END $$;

CREATE TRIGGER job_deleted AFTER DELETE ON {schema}.job
    REFERENCING OLD TABLE AS deleted
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.job_deleted();

CREATE FUNCTION {schema}.job_emptied() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    TRUNCATE {schema}.ready, {schema}.lease, {schema}.result, {schema}.failure, {schema}.unique_key,
        {schema}.pruned;
    RETURN NULL;
END $$;

CREATE TRIGGER job_emptied AFTER TRUNCATE ON {schema}.job
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.job_emptied();

-- Those of some jobs that a foreign key of somebody else's keeps from being deleted.
CREATE FUNCTION {schema}.referenced(jobs bigint[]) RETURNS bigint[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off AS $$
DECLARE
    link record;
    found bigint[];
    kept bigint[] := '{}';
BEGIN
    FOR link IN
        SELECT c.conrelid::regclass AS from_table, a.attname AS from_column
        FROM pg_constraint c
        JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
        WHERE c.contype = 'f' AND c.confrelid = '{schema}.job'::regclass
          AND c.confdeltype IN ('a', 'r') AND cardinality(c.conkey) = 1
    LOOP
        EXECUTE format(
            'SELECT array_agg(DISTINCT t.%1$I::bigint) FROM %2$s t WHERE t.%1$I = ANY ($1)',
            link.from_column, link.from_table
        ) INTO found USING jobs;
        kept := kept || coalesce(found, '{}');
    END LOOP;
    RETURN kept;
END $$;

REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM PUBLIC;
REVOKE ALL ON FUNCTION {schema}.job_inserted(), {schema}.job_guarded(), {schema}.job_deleted(),
    {schema}.job_emptied(), {schema}.lane_needed() FROM PUBLIC;
