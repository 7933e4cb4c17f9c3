"""The exit codes of the command, and of a supervisor that runs on its own."""

OK = 0
FAILED = 1
"""Refused, or not all that was asked for is done; nothing of what was named is there."""

USAGE = 2
UNREACHABLE = 3
"""The database cannot be used."""

WRONG_SCHEMA = 4
"""The schema is not one that this version can work with."""

TIMED_OUT = 5
"""What was waited for did not happen in time."""
