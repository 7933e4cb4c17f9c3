"""As many kinds as BENCH_KINDS says, all doing nothing; light, for each has its own process."""

from __future__ import annotations

import os
from typing import Any

import actorq

app = actorq.App()


def nothing(batch: actorq.Batch[dict[str, Any]]) -> None:
    """Do nothing with a whole batch."""


for number in range(int(os.environ.get("BENCH_KINDS", "1"))):
    size = int(os.environ.get("BENCH_BATCH", "1000"))
    app.actor(f"bench.kind_{number}", max_batch=size)(nothing)
