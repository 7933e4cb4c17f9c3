-- Make the session's table of the jobs of a step with their stamps, in microseconds after its
-- begin by the clock of the machine that sends.
-- Locks: none. Index: none.
CREATE TEMPORARY TABLE IF NOT EXISTS stress_stamp (
    id          bigint  NOT NULL,
    kind        text    NOT NULL,
    queue       text    NOT NULL,
    state       text    NOT NULL,
    attempt     int     NOT NULL,
    clean       boolean NOT NULL, -- completed at the first attempt
    g           int,
    n           bigint,
    fate        text    NOT NULL,
    due_us      bigint,
    sent_us     bigint,
    answered_us bigint,
    claimed_us  bigint,
    begun_us    bigint,
    ended_us    bigint,
    settled_us  bigint,
    n_ran       int     NOT NULL
);
