"""What this machine and its processes say of themselves in /proc; empty where there is none."""

from __future__ import annotations

import os
import platform
import statistics
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

TICK_S = 1 / os.sysconf("SC_CLK_TCK")
PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 2**20
PROC = Path("/proc")
SYNCS = 40


def cpu_s(pid: int) -> float | None:
    """Return the CPU seconds of a process; None if it is gone or cannot be seen."""
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) * TICK_S if fields else None


def own_memory_mb(pid: int) -> float:
    """Return the memory of a process that it shares with no other; 0 if it cannot be seen."""
    pages = [int(n) for n in _text(PROC / str(pid) / "statm").split()[1:3]]
    return (pages[0] - pages[1]) * PAGE_MB if len(pages) == 2 else 0.0


def children_of(pids: Iterable[int]) -> dict[int, list[int]]:
    """Return the descendants of each process."""
    parents: dict[int, list[int]] = {}
    for path in PROC.glob("[0-9]*"):
        fields = _stat(int(path.name))
        if fields:
            parents.setdefault(int(fields[1]), []).append(int(path.name))
    return {pid: _below(pid, parents) for pid in pids}


def _below(pid: int, parents: dict[int, list[int]]) -> list[int]:
    found = list(parents.get(pid, ()))
    for one in found:
        found += parents.get(one, ())
    return found


def steal_share(before: list[int], after: list[int]) -> float | None:
    """Return which share of the time other machines on this host took; None if unknown."""
    passed = [b - a for a, b in zip(before, after, strict=False)]
    total = sum(passed)
    return round(passed[7] / total, 4) if len(passed) > 7 and total else None


def processor_ticks() -> list[int]:
    """Return the kernel's ticks by use: user, nice, system, idle, iowait, irq, softirq, steal."""
    try:
        return [int(n) for n in (PROC / "stat").read_text().splitlines()[0].split()[1:9]]
    except (OSError, IndexError, ValueError):
        return []


def describe(disk: Path) -> dict[str, object]:
    """Describe the machine, and how busy it is."""
    return {
        "cpus": os.cpu_count(),
        "cpu": _field(PROC / "cpuinfo", "model name") or platform.processor(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "governor": _text(Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")) or None,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "load_1m": round(os.getloadavg()[0], 2),
        "fdatasync_us": fdatasync_us(disk),
    }


def fdatasync_us(disk: Path) -> int | None:
    """Return how long a disk needs to make 8 kB durable, as a commit does."""
    page, took = os.urandom(8192), []
    sync = getattr(os, "fdatasync", os.fsync)
    try:
        with tempfile.TemporaryFile(dir=disk, buffering=0) as file:
            for _ in range(SYNCS):
                file.write(page)
                begun = time.perf_counter()
                sync(file.fileno())
                took.append(time.perf_counter() - begun)
    except OSError:
        return None
    return round(statistics.median(took) * 1e6)


def _stat(pid: int) -> list[str]:
    return _text(PROC / str(pid) / "stat").rpartition(")")[2].split()


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="latin-1").strip()
    except OSError:
        return ""


def _field(path: Path, name: str) -> str:
    lines = _text(path).splitlines()
    return next((x.partition(":")[2].strip() for x in lines if x.startswith(name)), "")
