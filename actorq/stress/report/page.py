"""The report as one HTML page."""

from __future__ import annotations

from actorq.stress.core.figures import StressReport


def page(report: StressReport) -> str:
    """Return the page."""
    return "<!doctype html>"
