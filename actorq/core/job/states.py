"""The names of job states as commands take them. Every command imports this: keep it light."""

from __future__ import annotations

WAITING = ("ready", "scheduled", "retrying", "suspect")
"""The states of a pending job that no supervisor holds."""

STATES = ("pending", *WAITING, "running", "completed", "failed", "cancelled")
"""What can be asked for. `pending` covers every job that is not final."""

RETRIABLE = ("failed", "cancelled")
PRUNABLE = ("completed", "cancelled", "failed")
PRUNED_BY_DEFAULT = ("completed", "cancelled")
"""Failed jobs are kept until somebody names them, because a person still has to look at them."""
