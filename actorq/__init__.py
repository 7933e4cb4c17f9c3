"""actorq: a PostgreSQL-backed job queue for work that is cheaper in batches."""
