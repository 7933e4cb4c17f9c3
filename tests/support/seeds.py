"""The seed of a run: from the commit, so that every change is tried with other draws.

ACTORQ_SEED repeats a run. What is always the same, and what is drawn, is said where it is used.
"""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

VARIABLE = "ACTORQ_SEED"


def seed() -> int:
    """Return the seed of this run."""
    return int(os.environ[VARIABLE])


def said() -> str:
    """Return how to repeat what is drawn."""
    return f"drawn anew for each commit: {VARIABLE}={seed()} repeats it"


def take(config: pytest.Config) -> None:
    """Set the seed for this process, for those of the same run, and for Hypothesis.

    A property that is slow on a loaded machine is none that is wrong: no example has a deadline.
    """
    from hypothesis import HealthCheck, settings

    given = os.environ.setdefault(VARIABLE, str(of_commit()))
    if not given.isdecimal():
        raise pytest.UsageError(f"{VARIABLE}={given} is no number: a run says its own")
    if config.getoption("hypothesis_seed", None) is None:
        config.option.hypothesis_seed = str(seed())
    settings.register_profile("actorq", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("actorq")


def of_commit() -> int:
    """Return a number that follows from the commit; where there is none, from the day."""
    command = ["git", "rev-parse", "--verify", "HEAD"]
    try:
        done = subprocess.run(
            command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return datetime.now(UTC).date().toordinal()
    return int(done.stdout[:8], 16)
