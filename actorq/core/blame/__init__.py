"""Who pays when a whole batch fails."""
