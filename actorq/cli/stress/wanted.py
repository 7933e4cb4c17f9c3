"""Which plan is meant: by name or file, changed by what was typed."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

from actorq.errors import ConfigError
from actorq.stress.core import reading
from actorq.stress.core.plan import StressPlan


def plan(name: str, args: Namespace) -> StressPlan:
    """Return the plan of a name or file with the options; raises ConfigError for a wrong one."""
    return _changed(_named_plan(name), args)


def _named_plan(name: str) -> StressPlan:
    """Return a built-in plan, else the one that a file holds."""
    if name in reading.BUILT_IN:
        return reading.BUILT_IN[name]
    try:
        text = Path(name).read_text("utf-8")
    except OSError as error:
        known = ", ".join(reading.BUILT_IN)
        raise ConfigError(
            f"--plan {name}: {error.strerror}; give a TOML file, or one of {known}"
        ) from None
    return reading.plan_of_toml(text, name)


def _changed(plan: StressPlan, args: Namespace) -> StressPlan:
    """Return a plan with what was typed."""
    options: dict[str, Any] = {
        "load.rates": tuple(args.rate) if args.rate else None,
        "load.arrivals": args.arrivals,
        "load.step_s": args.step_s,
        "load.warm_up_s": None if args.step_s is None else args.step_s / 4,
        "load.repeats": args.repeats,
        "drain_jobs": args.drain,
        "seed": args.seed,
        "max_s": args.limit_s,
        "slo": reading.slo_of(args.slo) if args.slo else None,
    }
    return reading.changed(plan, {name: v for name, v in options.items() if v is not None})
