"""Which lane to look at next, and from where."""
