"""The supervisor: it owns the database connections and the actor processes."""
