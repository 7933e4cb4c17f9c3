-- Make the session's table of what the generators sent: a row per statement, numbered jobs.
-- Locks: none. Index: none.
CREATE TEMPORARY TABLE IF NOT EXISTS stress_sent (
    g           int     NOT NULL,
    first_n     bigint  NOT NULL,
    n_jobs      int     NOT NULL,
    sent_us     bigint  NOT NULL,
    answered_us bigint  NOT NULL,
    doubtful    boolean NOT NULL
);
