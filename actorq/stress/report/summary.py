"""The report in short: lines for a terminal, and the figures of `--json`."""

from __future__ import annotations

from typing import Any

from actorq.stress.core.figures import TIME_UP, SloFigures, StepFigures, StressReport
from actorq.stress.core.found import ms, queues_of
from actorq.stress.core.histogram import PERCENTS


def figures_of(report: StressReport) -> dict[str, Any]:
    """Return the figures that a program asks for first."""
    audits = [step.audit for step in report.steps]
    counted = [step.counted for step in report.steps]
    drains = [step.achieved for step in report.steps if step.loop == "closed"]
    return {
        "plan": report.plan.name,
        "seconds": report.seconds,
        "cut_short": report.cut_short,
        "jobs": sum(audit.sent for audit in audits),
        "lost": sum(audit.lost for audit in audits),
        "duplicates": sum(audit.duplicates for audit in audits),
        "unfinished": sum(audit.unfinished for audit in audits),
        "wrong_states": sum(audit.wrong_state for audit in audits),
        "wrong_results": sum(audit.wrong_results for audit in audits),
        "counts_agree": bool(counted) and all(each.agree for each in counted),
        "counts": {
            "table": sum(each.table for each in counted),
            "polling": _sum([each.polling for each in counted]),
            "events": _sum([each.events for each in counted]),
        },
        "drain_jobs_per_s": max(drains, default=None),
        "knee_jobs_per_s": None if report.knee is None else report.knee.rate,
        "generator_limited": is_generator_limited(report),
        "p50_ms_at_half_knee": report.half_knee.get("p50_ms"),
        "p99_ms_at_half_knee": report.half_knee.get("p99_ms"),
        "p99_ms_at_half_knee_interval": report.half_knee.get("p99_ms_interval"),
        "queues": queues_of(report.plan, report.steps),
        "compared": report.compared,
        "slo": report.slo,
        "findings": report.findings,
        "steps": [_step(step) for step in report.steps],
        "faults": report.faults,
    }


def _sum(counts: list[int | None]) -> int | None:
    known = [n for n in counts if n is not None]
    return sum(known) if len(known) == len(counts) and known else None


def _step(step: StepFigures) -> dict[str, Any]:
    return {
        "name": step.name,
        "loop": step.loop,
        "rate": step.rate,
        "end": step.end,
        "jobs_per_s": step.achieved,
        **{name: step.p(name) for name in PERCENTS},
    }


def is_generator_limited(report: StressReport) -> bool:
    """Tell whether the generators bounded what was found: the knee, or a rate that was given."""
    if report.knee is not None:
        return report.knee.generator_limited
    return any(step.end == "generator" for step in report.steps)


def is_well(report: StressReport) -> bool:
    """Tell whether the test came to its end, every job was accounted for and every bound kept."""
    figures = figures_of(report)
    if report.cut_short not in ("", TIME_UP):
        return False
    wrong = ("lost", "duplicates", "wrong_states", "wrong_results")
    return (
        not any(figures[name] for name in wrong)
        and figures["counts_agree"]
        and all(slo.kept for slo in report.slo)
    )


def text_of(report: StressReport) -> str:
    """Return the summary for a terminal."""
    figures = figures_of(report)
    lines = [
        "",
        f"{figures['jobs']:,} jobs in {report.seconds:,.0f} s: {figures['lost']:,} lost, "
        f"{figures['duplicates']:,} duplicates; {_agreement(report, figures)}",
    ]
    if figures["drain_jobs_per_s"]:
        lines.append(f"closed loop (drain): {figures['drain_jobs_per_s']:,.0f} jobs/s")
    if report.knee is not None:
        lines.append(f"open loop: {report.knee.sentence}")
    half = report.half_knee
    if half.get("p99_ms") is not None:
        lines.append(
            f"at half of the knee: p50 {half['p50_ms']:,.1f} ms, p99 {half['p99_ms']:,.1f} ms "
            f"(median of {half['n']})"
        )
    for q in queues_of(report.plan, report.steps):
        lines.append(
            f"queue {q.queue} ({q.served_by}) at {q.rate:,.0f} jobs/s in all: "
            f"p50 {ms(q.p50_ms)}, p99 {ms(q.p99_ms)}"
        )
    for slo in report.slo:
        lines.append(f"SLO {slo.name} {slo.bound:g}: {_verdict(slo)}")
    lines += [f"! {text}" for text in report.findings]
    if report.cut_short:
        lines.append(f"! not all steps were run: {report.cut_short}")
    return "\n".join(lines)


def _agreement(report: StressReport, figures: dict[str, Any]) -> str:
    """Say whether all ways of counting agree, and how they differ if they do not."""
    if not report.steps:
        return "nothing was counted"
    if figures["counts_agree"]:
        return "the counts in the table, by polling and by events agree"
    counts = ", ".join(f"{n} {way}" for way, n in figures["counts"].items())
    return f"the counts in the table, by polling and by events DIFFER: {counts}"


def _verdict(slo: SloFigures) -> str:
    if slo.found is None:
        return (
            "not measured, so not kept: a percentile needs ten jobs above it, in a step that held"
        )
    return f"{slo.found:,g}, {'kept' if slo.kept else 'BROKEN'}"
