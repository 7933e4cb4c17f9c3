"""What the figures mean, in sentences: the knee, what is wrong, and whether the SLO is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from actorq.english import count
from actorq.stress.core.figures import (
    STAGES,
    KneeFigures,
    LatencyFigures,
    SloFigures,
    StepFigures,
)
from actorq.stress.core.plan import SLO_AT_LEAST
from actorq.stress.core.search import Search

USUAL_WAIT_MS = 4.0
"""From the enqueue's answer to the handler's begin: a machine that does nothing else needs 1 ms at
the median (`actorq docs performance`), and four times that is a reason to look."""

CALM_SHARE = 0.2
"""Where actors are busier, jobs wait because of that, and not because of their supervisor."""

STAGE_WORDS = {
    "send": "before the generator sent it",
    "enqueue": "in the enqueue",
    "wait": "between the enqueue's answer and its claim",
    "dispatch": "between its claim and its handler",
    "run": "in its handler",
    "settle": "between its handler's end and the commit of its outcome",
}


def broken_bound(slo: Mapping[str, float], latency: LatencyFigures | None) -> str:
    """Return which bound of the latency is broken, in words; empty if none is known to be."""
    if latency is None:
        return ""
    found = {**latency.percentiles, "max_ms": latency.max_ms}
    for name, bound in slo.items():
        value = found.get(name)
        if value is not None and value > bound:
            return f"{name} was {value:,.1f}, above the {bound:,g} that is allowed"
    return ""


def knee_of(search: Search) -> KneeFigures:
    """Return what a search has found, and say it."""
    held, broken = search.held, search.broken
    limited = search.broken_end == "generator"
    return KneeFigures(
        rate=held, broken_at=broken, generator_limited=limited, sentence=_knee_text(search)
    )


def _knee_text(search: Search) -> str:
    held, broken = search.held, search.broken
    if held is None:
        return "No rate was borne, so there is no knee."
    if broken is None:
        return f"{held:,.0f} jobs/s were borne, and no higher rate was tried: the knee lies above."
    if search.broken_end == "generator":
        return (
            f"{held:,.0f} jobs/s were borne. At {broken:,.0f} the generators were the limit, so "
            "nothing is known of what the database and its supervisors would bear."
        )
    return f"The knee lies between {held:,.0f} jobs/s, which were borne, and {broken:,.0f}."


def findings(steps: Sequence[StepFigures], is_woken: bool = True) -> list[str]:
    """Return what somebody has to know before believing the figures; empty if there is nothing.

    `is_woken` says that all supervisors are woken by NOTIFY: those that only poll are meant to be
    slow.
    """
    made = [text for step in steps for text in _of_step(step)]
    made += _slow_stage(steps) if is_woken else []
    unheard = [step.name for step in steps if step.counted.events is None]
    if unheard:
        made.append(f"Events were not followed in {count(len(unheard), 'step')}: {unheard[0]} …")
    return made


def _of_step(step: StepFigures) -> list[str]:
    audit, made = step.audit, []
    for n, text in (
        (audit.lost, "lost: sent and answered for, but not in the table"),
        (audit.duplicates, "in the table more than once"),
        (audit.wrong_state, "final in another state than their handler decided"),
        (audit.wrong_results, "with another result than their handler returned"),
        (audit.unfinished, "not final when the time was up"),
    ):
        if n:
            made.append(f"{step.name}: {count(n, 'job')} {text}.")
    if not step.counted.agree:
        ways = step.counted
        made.append(
            f"{step.name}: the counts of final jobs differ: {ways.table:,} in the table, "
            f"{ways.polling} by polling, {ways.events} by events."
        )
    if step.sent and step.sent.refused:
        made.append(
            f"{step.name}: the database refused {count(step.sent.refused, 'job')}: "
            f"{step.sent.error.splitlines()[0]}."
        )
    if step.sent and step.sent.doubtful and step.role != "fault":
        made.append(
            f"{step.name}: the connection was lost before {count(step.sent.doubtful, 'job')} were "
            "answered for: they may be in the table or not."
        )
    if step.end == "generator":
        made.append(f"{step.name}: {step.why}; its figures say nothing about the server.")
    return made


def _slow_stage(steps: Sequence[StepFigures]) -> list[str]:
    """Name the stage in which jobs spend longest although the load is low."""
    calm = [
        step
        for step in steps
        if step.end == "held" and step.loop == "open" and step.busy_share < CALM_SHARE
    ]
    if not calm:
        return []
    step = min(calm, key=lambda each: each.rate or 0.0)
    idle = {name: step.stages_ms.get(name, 0.0) for name in ("wait", "dispatch")}
    if sum(idle.values()) <= USUAL_WAIT_MS:
        return []
    worst = max(idle, key=lambda name: idle[name])
    return [
        f"Supervisors are slow: even at {step.rate:,.0f} jobs/s a job spends "
        f"{sum(idle.values()):.1f} ms at the median between its enqueue and its handler, "
        f"{idle[worst]:.1f} of them {STAGE_WORDS[worst]}; about 1 ms is usual."
    ]


def stages_text(stages_ms: Mapping[str, float]) -> str:
    """Return in words where a job spends most of its time."""
    known = {name: stages_ms[name] for name in STAGES if name in stages_ms}
    if not known:
        return ""
    worst = max(known, key=lambda name: known[name])
    return f"most of it {STAGE_WORDS[worst]} ({known[worst]:,.1f} ms at the median)"


def slo_figures(slo: Mapping[str, float], found: Mapping[str, float | None]) -> list[SloFigures]:
    """Compare what was found with the bounds; what was not measured is not kept."""
    return [_slo(name, bound, found.get(name)) for name, bound in slo.items()]


def _slo(name: str, bound: float, value: float | None) -> SloFigures:
    if value is None:
        return SloFigures(name=name, bound=bound, found=None, kept=False)
    kept = value >= bound if name in SLO_AT_LEAST else value <= bound
    return SloFigures(name=name, bound=bound, found=value, kept=kept)
