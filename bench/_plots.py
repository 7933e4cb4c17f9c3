"""Draw what was measured; every picture says on which machine and when."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot, ticker

OURS, THEIRS, OTHER = "#1f6f8b", "#b8bcc2", "#d98c3f"
Figures = dict[str, Any]


@contextmanager
def _picture(path: Path, title: str, machine: Figures, wide: int = 1) -> Iterator[Any]:
    figure, axes = pyplot.subplots(1, wide, figsize=(7 if wide == 1 else 5 * wide, 4))
    figure.suptitle(title)
    yield axes
    if machine:
        text = (
            f"{machine['cpus']} CPUs ({machine['cpu']}), PostgreSQL {machine['server_version']},"
            f" fsync {machine['fsync']}, {machine['date']}"
        )
        figure.text(0.99, 0.01, text, ha="right", fontsize=6, color="gray")
    figure.tight_layout(rect=(0, 0.03, 1, 1))
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def peers(result: Figures, path: Path) -> None:
    """Draw the rates of all peers beside ours."""
    measured = result["measured"]
    names = sorted(measured, key=lambda name: measured[name]["drain_jobs_per_s"])
    panels = {
        "drain_jobs_per_s": "no-op jobs drained per second",
        "model_jobs_per_s": "model jobs per second",
        "bulk_jobs_per_s": "jobs enqueued per second in bulk",
    }
    with _picture(path, "Python job queues", result.get("machine", {}), len(panels)) as axes:
        for ax, (column, label) in zip(axes, panels.items(), strict=True):
            values = [measured[name][column] for name in names]
            colors = [OURS if name == "actorq" else THEIRS for name in names]
            ax.bar_label(ax.barh(names, values, color=colors), fmt="{:,.0f}", fontsize=7)
            ax.set_xlabel(label)
            ax.margins(x=0.25)
            ax.xaxis.set_major_locator(ticker.MaxNLocator(4))
            ax.xaxis.set_major_formatter(ticker.StrMethodFormatter("{x:,.0f}"))


def batch_size(result: Figures, path: Path) -> None:
    """Draw throughput against batch size."""
    rates = {int(size): rate for size, rate in result["jobs_per_s"].items()}
    ends = [result["jobs_per_s_spread"][str(size)] for size in rates]
    with _picture(path, "Throughput against batch size", result["machine"]) as ax:
        ax.fill_between(list(rates), *zip(*ends, strict=True), alpha=0.2, color=OURS)
        ax.plot(list(rates), list(rates.values()), marker="o", color=OURS)
        ax.set_xscale("log")
        ax.set_yscale("log")
        ax.set_xlabel("jobs per batch")
        ax.set_ylabel("no-op jobs per second")
        ax.grid(alpha=0.3)


def latency(result: Figures, path: Path) -> None:
    """Draw which share of the jobs had begun after how long."""
    title = "From the commit of an enqueue to the start of its handler"
    with _picture(path, title, result["machine"]) as ax:
        ways = (("LISTEN", result, OURS), ("polling only", result["poll_only"], OTHER))
        for label, figures, color in ways:
            shares = {float(end): share for end, share in figures["share_within_ms"].items()}
            ax.plot(list(shares), list(shares.values()), label=label, color=color)
        ax.set_xscale("log")
        ax.set_xlabel("milliseconds")
        ax.set_ylabel("share of the jobs")
        ax.legend()
        ax.grid(alpha=0.3)


def hard_cases(results: dict[str, Figures], path: Path) -> None:
    """Draw drains beside what makes queues sag, and without it."""
    cases = {
        "held_snapshot": ("a snapshot held", "held", "free"),
        "finished_rows": ("finished rows", "with", "without"),
        "scheduled_rows": ("scheduled rows", "with", "without"),
    }
    there = {name: case for name, case in cases.items() if name in results}
    machine = next(results[name]["machine"] for name in there)
    with _picture(path, "Drains beside what makes queues sag", machine) as ax:
        for k, (name, (_, hard, easy)) in enumerate(there.items()):
            for shift, which, color in ((-0.2, easy, THEIRS), (0.2, hard, OURS)):
                rate = results[name][f"{which}_jobs_per_s"]
                bars = ax.bar(k + shift, rate, width=0.38, color=color)
                ax.bar_label(bars, fmt="{:,.0f}", fontsize=7)
        ax.set_xticks(range(len(there)), [label for label, _, _ in there.values()])
        ax.set_ylabel("no-op jobs per second: without, with")
