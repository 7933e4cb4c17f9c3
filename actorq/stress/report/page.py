"""The report as one HTML page: no script, nothing from elsewhere, for any screen and for paper.

Everything that is drawn is bounded, so that the page stays below a megabyte.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from actorq.stress.core.figures import StepFigures, StressReport
from actorq.stress.core.found import queues_of
from actorq.stress.core.plan import StressPlan
from actorq.stress.core.verdict import stages_text
from actorq.stress.report import plots
from actorq.stress.report.style import STYLE
from actorq.stress.report.summary import figures_of, is_generator_limited, is_well
from actorq.stress.report.svg import Markup, element, joined
from actorq.stress.report.tables import card, fields, figure, section, shown, table

MAX_ROWS = 200
POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def page(report: StressReport) -> str:
    """Return the page."""
    head = joined(
        [
            Markup('<meta charset="utf-8">'),
            Markup('<meta name="viewport" content="width=device-width,initial-scale=1">'),
            Markup(f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'),
            element("title", f"actorq stress: {report.plan.name}"),
            element("style", Markup(STYLE)),
        ]
    )
    sections = (_top, _findings, _compared, _knee, _steps, _spread, _faults, _failures, _resources,
                _audit, _conditions)  # fmt: skip
    body = element("body", element("main", joined(part(report) for part in sections)))
    return f'<!doctype html><html lang="en">{element("head", head)}{body}</html>\n'


def _top(report: StressReport) -> Markup:
    figures = figures_of(report)
    verdict = element("span", "All is well.", class_="good") if is_well(report) else element(
        "span", "Not all is well: see below.", class_="bad"
    )  # fmt: skip
    about = f" Plan {report.plan.name}, {report.seconds:,.0f} s, {report.manifest['date']}."
    cut = f" Not all steps were run: {report.cut_short}." if report.cut_short else ""
    return element(
        "header",
        element("h1", "actorq stress test"),
        element("p", verdict, about, cut),
        element("div", joined(_cards(report, figures)), class_="cards"),
    )


def _cards(report: StressReport, figures: dict[str, object]) -> list[Markup]:
    made = [
        card(shown(figures["jobs"]), "jobs sent and looked at"),
        card(shown(figures["lost"]), "lost"),
        card(shown(figures["duplicates"]), "duplicates"),
        card("agree" if figures["counts_agree"] else "differ", "counts: " + _ways(report)),
    ]
    if figures["drain_jobs_per_s"]:
        made.append(card(shown(figures["drain_jobs_per_s"]), "jobs/s drained (closed loop)"))
    if report.knee is not None:
        made.append(card(shown(report.knee.rate), "jobs/s at the knee (open loop)"))
    if report.half_knee.get("p99_ms") is not None:
        made.append(card(f"{report.half_knee['p99_ms']:,.1f} ms", "p99 at half of the knee"))
    return made


def _ways(report: StressReport) -> str:
    is_followed = any(step.counted.events is not None for step in report.steps)
    return "table, polling, events" if is_followed else "table, polling; events: not followed"


def _findings(report: StressReport) -> Markup:
    texts = [element("li", text) for text in report.findings[:MAX_ROWS]]
    bounds = [
        (slo.name, slo.bound, slo.found, "kept" if slo.kept else "BROKEN") for slo in report.slo
    ]
    return section(
        "What to know first",
        element("ul", joined(texts)) if texts else element("p", "Nothing stands out."),
        table(("bound", "allowed", "found", ""), bounds) if bounds else None,
    )


def _compared(report: StressReport) -> Markup:
    """Return what was compared: A is the first plan, or the baseline."""
    if not report.compared:
        return Markup("")
    rows = [(c.name, c.a, c.b, c.ratio, _ends(c.interval), c.n, c.says) for c in report.compared]
    headers = ("figure", "A", "B", "B / A", "95 % interval", "pairs", "")
    about = "B ran in turns with A." if report.plan_b else "A is the baseline, B this test."
    return section("Side by side", element("p", about), table(headers, rows))


def _ends(interval: tuple[float, float] | None) -> str:
    return "–" if interval is None else f"{interval[0]:.3f} to {interval[1]:.3f}"


def _knee(report: StressReport) -> Markup:
    if not plots.undisturbed(report.steps):
        return Markup("")
    limited = is_generator_limited(report)
    sentence = report.knee.sentence if report.knee else "The rates were given: no knee was sought."
    warning = "The generator was the limit: no limit of the server is claimed." if limited else None
    return section(
        "Latency against rate (open loop)",
        element("p", sentence),
        element("p", warning, class_="bad") if warning else None,
        element("p", _half_text(report)),
        plots_of([plots.against_rate(report), _stages(report)], "plots large"),
    )


def _half_text(report: StressReport) -> str:
    half = report.half_knee
    if half.get("p99_ms") is None:
        return "Latency counts from the instant at which a job was meant to be sent."
    interval = half.get("p99_ms_interval")
    spread = (
        f", 95 % bootstrap interval {interval[0]:,.1f} to {interval[1]:,.1f}" if interval else ""
    )
    return (
        f"At half of the knee ({half['rate']:,.0f} jobs/s): p50 {half['p50_ms']:,.1f} ms, p99 "
        f"{half['p99_ms']:,.1f} ms (median of {half['n']} runs{spread}). Latency counts from the "
        "instant at which a job was meant to be sent."
    )


def _stages(report: StressReport) -> Markup:
    steps = [s for s in plots.undisturbed(report.steps) if s.stages_ms][:MAX_ROWS]
    names = ("send", "enqueue", "wait", "dispatch", "run", "settle")
    rows = [(_rate(s), *(s.stages_ms.get(name) for name in names)) for s in steps]
    worst = stages_text(steps[0].stages_ms) if steps else ""
    return figure(
        "Where the time goes, ms at the median",
        table(("jobs/s", *names), rows),
        caption=f"In the first step {worst}. send: intended to sent; enqueue: sent to answered; "
        "wait: answered to claimed; dispatch: claimed to the handler's begin; run; settle: the "
        "handler's end to the outcome.",
    )


def _rate(step: StepFigures) -> float:
    return float(f"{step.rate or 0.0:.6g}")


def _steps(report: StressReport) -> Markup:
    headers = ("step", "loop", "jobs/s", "settled/s", "p50 ms", "p90 ms", "p99 ms", "p99.9 ms",
               "max ms", "late", "skipped", "lag p99 ms", "ended", "why")  # fmt: skip
    return section(
        "Throughput and backlog over time",
        plots_of(plots.over_time(report.steps)),
        table(headers, [_row(step) for step in report.steps[:MAX_ROWS]]),
        element("p", "A percentile is told only where ten jobs or more lie above it. late: sent "
                "later than the plan allows; skipped: so late that they were left out.",
                class_="quiet"),
        _queues(report),
    )  # fmt: skip


def _row(step: StepFigures) -> tuple[object, ...]:
    latency, sent = step.latency, step.sent
    is_open = step.loop == "open"
    percents = [step.p(name) if is_open else None for name in plots.PERCENTS]
    return (
        step.name, step.loop, _rate(step) if is_open else None, step.achieved, *percents,
        latency.max_ms if latency and is_open else None, sent.late if sent and is_open else None,
        sent.skipped if sent else None, sent.lag_p99_ms if sent and is_open else None,
        step.end, step.why,
    )  # fmt: skip


def _queues(report: StressReport) -> Markup | None:
    """Return the queues side by side, where there are several."""
    found = queues_of(report.plan, report.steps)[:MAX_ROWS]
    if not found:
        return None
    rows = [
        (q.rate, q.queue, q.served_by, q.n, q.p50_ms, q.p90_ms, q.p99_ms, q.p999_ms) for q in found
    ]
    headers = ("jobs/s in all", "queue", "served by", "jobs", "p50 ms", "p90 ms", "p99 ms",
               "p99.9 ms")  # fmt: skip
    return joined([element("h3", "Queues side by side (open loop)"), table(headers, rows)])


def _spread(report: StressReport) -> Markup:
    if not any(step.latency for step in plots.undisturbed(report.steps)):
        return Markup("")
    return section("Distributions", plots_of(plots.distributions(report), "plots large"))


def _faults(report: StressReport) -> Markup:
    if not report.faults:
        return Markup("")
    headers = ("fault", "recovered after s", "lost", "not final", "ran again", "in doubt",
               "slowest job ms")  # fmt: skip
    rows = [
        (f.what, f.recovered_s, f.lost, f.unfinished, f.ran_again, f.doubtful, f.worst_ms)
        for f in report.faults
    ]
    return section(
        "Faults",
        table(headers, rows),
        element("p", "Recovered is a backlog that stays as it was before the fault; 0: it never "
                "grew. in doubt: jobs whose enqueue was not answered; they may be there or not. "
                "Each fault is marked in its step above.", class_="quiet"),
    )  # fmt: skip


def _failures(report: StressReport) -> Markup:
    attempts: dict[int, int] = {}
    for step in report.steps:
        for n, jobs in step.audit.attempts.items():
            attempts[n] = attempts.get(n, 0) + jobs
    rows = [(n, jobs) for n, jobs in sorted(attempts.items())][:MAX_ROWS]
    counted = figure("Jobs by number of attempts", table(("attempts", "jobs"), rows))
    return section("Failures", plots_of([plots.failures(report), counted]))


def _resources(report: StressReport) -> Markup:
    unseen = joined(element("li", text) for text in report.unseen)
    return section(
        "Resources",
        plots_of(plots.resources(report.samples)),
        element("ul", unseen, class_="quiet") if report.unseen else None,
    )


def _audit(report: StressReport) -> Markup:
    headers = ("step", "sent", "found", "completed", "failed", "cancelled", "lost", "duplicates",
               "not final", "wrong state", "wrong result", "ran again", "by polling", "by events",
               "checksum of results")  # fmt: skip
    rows = [_audited(step) for step in report.steps[:MAX_ROWS]]
    return section(
        "Every row, looked at afterwards",
        table(headers, rows),
        element("p", "ran again: jobs whose handler ran to its end more often than they were "
                "charged for; that is allowed after a kill, their outcome is written once.",
                class_="quiet"),
    )  # fmt: skip


def _audited(step: StepFigures) -> tuple[object, ...]:
    audit = step.audit
    checksum = audit.checksum or "no results"
    if audit.checksum != audit.expected_checksum:
        checksum = f"{audit.checksum} is not {audit.expected_checksum}"
    return (
        step.name, audit.sent, audit.found, audit.completed, audit.failed, audit.cancelled,
        audit.lost, audit.duplicates, audit.unfinished, audit.wrong_state, audit.wrong_results,
        audit.ran_again, step.counted.polling,
        "not followed" if step.counted.events is None else step.counted.events, checksum,
    )  # fmt: skip


def _conditions(report: StressReport) -> Markup:
    return section(
        "Conditions",
        fields(report.manifest),
        element("h3", "The plan"),
        element("pre", _plan_text(report.plan)),
        element("h3", "Plan B") if report.plan_b else None,
        element("pre", _plan_text(report.plan_b)) if report.plan_b else None,
    )


def _plan_text(plan: StressPlan) -> str:
    return msgspec.json.format(msgspec.json.encode(plan), indent=2).decode()


def plots_of(figures: Sequence[Markup], style: str = "plots") -> Markup:
    """Return plots side by side, as many as there is room for."""
    return element("div", joined(figures), class_=style)
