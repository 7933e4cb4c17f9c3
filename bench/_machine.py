"""What the figures depend on, and what processes cost: read from /proc."""

from __future__ import annotations

import os
import platform
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def facts() -> dict[str, Any]:
    """Describe the machine, and how busy it was when the figures were made."""
    return {
        "cpus": os.cpu_count(),
        "cpu": _field("/proc/cpuinfo", "model name") or platform.processor(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "fdatasync_us": fdatasync_us(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "load_1m": round(os.getloadavg()[0], 2),
    }


def fdatasync_us(n: int = 100) -> int:
    """Return how long this machine's temporary place needs to make 8 kB durable."""
    page, took = os.urandom(8192), []
    with tempfile.TemporaryFile(buffering=0) as file:
        for _ in range(n):
            file.write(page)
            begun = time.perf_counter()
            os.fdatasync(file.fileno())
            took.append(time.perf_counter() - begun)
    return round(statistics.median(took) * 1e6)


def family(pid: int) -> list[int]:
    """Return a process and its children."""
    found = [pid]
    for path in Path("/proc").glob("[0-9]*/stat"):
        fields = _stat(path)
        if fields and int(fields[1]) == pid:
            found.append(int(path.parent.name))
    return found


def tree(pid: int) -> list[int]:
    """Return a process and all its descendants."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        fields = _stat(path)
        if fields:
            parents[int(path.parent.name)] = int(fields[1])
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def family_cpu_s(pid: int) -> float:
    """Return the CPU seconds of a process and its children, also of those that it has reaped."""
    return sum(cpu_s(one, reaped=one == pid) for one in family(pid))


def cpu_s(pid: int, *, reaped: bool = False) -> float:
    """Return the CPU seconds of a process; 0 if it is gone."""
    fields = _stat(Path(f"/proc/{pid}/stat"))
    if not fields:
        return 0.0
    ticks = int(fields[11]) + int(fields[12])
    if reaped:
        ticks += int(fields[13]) + int(fields[14])
    return ticks * TICK_S


def rss_mb(pid: int) -> float:
    """Return the resident memory of a process; 0 if it is gone."""
    text = _field(f"/proc/{pid}/status", "VmRSS")
    return round(int(text.split()[0]) / 1024, 1) if text else 0.0


def _stat(path: Path) -> list[str]:
    try:
        return path.read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _field(path: str, name: str) -> str:
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return ""
    return next((x.partition(":")[2].strip() for x in lines if x.startswith(name)), "")
