"""The states of jobs by name, as they are asked for; light, for each command imports this."""

from __future__ import annotations

WAITING = ("ready", "scheduled", "retrying", "suspect")
"""What a pending job is that no supervisor holds."""

STATES = ("pending", *WAITING, "running", "completed", "failed", "cancelled")
"""What can be asked for. `pending` is every job that is not final."""

RETRIABLE = ("failed", "cancelled")
PRUNABLE = ("completed", "cancelled", "failed")
PRUNED_BY_DEFAULT = ("completed", "cancelled")
"""Dead letters are kept until somebody names them: they are what a person still has to see."""
