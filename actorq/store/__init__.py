"""The store: one method per statement, and the only package that knows the database driver."""
