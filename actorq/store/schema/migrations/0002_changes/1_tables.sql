-- Make the tables of what has changed: every change of jobs' states in the order of its source, the
-- figures per minute that these are folded into, and who follows them.
-- Phase: expand.
-- Runs: in a transaction.
-- Locks: none.

-- A transaction that changed the states of jobs. The changes of a series, the odd and the even
-- numbers of a source, commit in the order of their numbers: who has read one has missed none
-- before it. A source is a node, whose two settlers have a series each, or 0 for everybody else's
-- changes. The numbers also tell, after a lost connection, whether a settle had committed.
-- counts: [lane, completed, failed, retried, snoozed, cancelled] for each lane.
-- times: for each lane the figures of the batches that ended, see core/counters/figures.py.
-- jobs: which jobs came to what, written while somebody follows: the completed ones as
-- [lane, attempt, [ids]], the others as [lane, id, state, attempt, seconds until it runs again].
CREATE TABLE {schema}.change (
    source uuid        NOT NULL,
    no     bigint      NOT NULL,
    at     timestamptz NOT NULL DEFAULT statement_timestamp(),
    counts json        NOT NULL,
    times  json,
    jobs   json,
    PRIMARY KEY (source, no)
) WITH (
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 2000,
    vacuum_truncate = false
);

-- How far each series is folded into minutes, and how far it was dropped after that. `dropped`
-- counts the jobs of all changes dropped so far: it gives the size of the gap to whoever has read
-- less. A series without a row has been folded nowhere.
CREATE TABLE {schema}.series (
    source     uuid        NOT NULL,
    parity     smallint    NOT NULL,
    folded_no  bigint      NOT NULL DEFAULT 0,
    dropped_no bigint      NOT NULL DEFAULT 0,
    dropped    bigint[]    NOT NULL DEFAULT '{0,0,0,0,0}',
    changed_at timestamptz NOT NULL DEFAULT statement_timestamp(),
    PRIMARY KEY (source, parity)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);

-- The figures of one minute, lane and source. Histograms are {bucket: number}, with buckets as in
-- core/counters/histogram.py.
CREATE TABLE {schema}.minute (
    at          timestamptz NOT NULL,
    lane        int         NOT NULL,
    source      uuid        NOT NULL,
    n_completed bigint      NOT NULL,
    n_failed    bigint      NOT NULL,
    n_retried   bigint      NOT NULL,
    n_snoozed   bigint      NOT NULL,
    n_cancelled bigint      NOT NULL,
    n_batches   bigint      NOT NULL,
    waited      json        NOT NULL,
    ran         json        NOT NULL,
    sizes       json        NOT NULL,
    cuts        json        NOT NULL,
    PRIMARY KEY (at, lane, source)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

-- Who follows, or waits, until when unless it is heard of again.
-- jobs: changes name their jobs for it. hint: it wants a notification of each change.
-- parts: supervisors tell of their batches, actors and kinds.
-- reports: supervisors report what they are doing, about once a second.
CREATE TABLE {schema}.follower (
    id      uuid        PRIMARY KEY,
    name    text        NOT NULL,
    jobs    boolean     NOT NULL,
    parts   boolean     NOT NULL,
    hint    boolean     NOT NULL,
    reports boolean     NOT NULL DEFAULT false,
    since   timestamptz NOT NULL DEFAULT clock_timestamp(),
    until   timestamptz NOT NULL
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);

-- What supervisors tell of themselves while somebody follows: some events of one node, in order.
CREATE TABLE {schema}.told (
    node   uuid        NOT NULL,
    no     bigint      NOT NULL, -- of the last of them
    n      int         NOT NULL, -- how many
    at     timestamptz NOT NULL DEFAULT statement_timestamp(),
    events json        NOT NULL,
    PRIMARY KEY (node, no)
) WITH (
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 2000,
    vacuum_truncate = false
);
