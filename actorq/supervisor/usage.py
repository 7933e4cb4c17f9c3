"""What a process uses, as Linux tells; elsewhere nothing is known."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Usage(NamedTuple):
    """The CPU time that a process has used so far, and its resident memory."""

    cpu_s: float | None
    memory_mb: float | None


UNKNOWN = Usage(None, None)


def usage(pid: int) -> Usage:
    """Return what a process uses; nothing of one that is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return UNKNOWN
    fields = stat.rpartition(")")[2].split()  # the name in parentheses may contain anything
    user, system, pages = (int(fields[n]) for n in (11, 12, 21))
    return Usage((user + system) / TICKS_PER_S, round(pages * PAGE_BYTES / 1e6, 1))
