"""Which lane is looked at next, and from where."""
