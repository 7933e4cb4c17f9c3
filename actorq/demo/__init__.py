"""The demo: near-duplicates among the standard library's own docstrings and comments."""
