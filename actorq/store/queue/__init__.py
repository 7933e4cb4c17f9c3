"""The statements of a supervisor."""
