"""The store: one method per statement, and the only room that knows the database driver."""
