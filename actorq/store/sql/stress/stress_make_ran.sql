-- Make the session's table of what the actors ran: a row per batch, also of those that ran twice.
-- Locks: none. Index: none.
CREATE TEMPORARY TABLE IF NOT EXISTS stress_ran (
    begun_us bigint   NOT NULL,
    ended_us bigint   NOT NULL,
    jobs     bigint[] NOT NULL
);
