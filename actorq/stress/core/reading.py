"""Plans by name, from TOML, and changed by options; what nobody knows is refused with what is."""

from __future__ import annotations

import difflib
import re
import tomllib
import types
import typing
from collections.abc import Mapping
from typing import Any, get_args, get_origin

import msgspec

from actorq.errors import ConfigError
from actorq.stress.core.plan import LoadPlan, Serving, StressKind, StressPlan, WorkCost

BUILT_IN: dict[str, StressPlan] = {
    "default": StressPlan(
        drain_jobs=50_000,
        kinds=(StressKind(result_bytes=16),),
    ),
    "mixed": StressPlan(
        name="mixed",
        kinds=(
            StressKind(name="heard", queue="listen", result_bytes=16),
            StressKind(name="looked_for", queue="poll", result_bytes=16),
        ),
        supervisors=(Serving(queues=("listen",)), Serving(queues=("poll",), poll_only=True)),
        load=LoadPlan(rates=(200.0, 2000.0, 10_000.0), repeats=2),
    ),
    "faults": StressPlan(
        name="faults",
        kinds=(
            StressKind(
                result_bytes=16,
                actors=2,
                max_batch=20,
                work=WorkCost(form="sleep", call_ms=20.0, job_ms=2.0),
            ),
        ),
        supervisors=(Serving(n=2),),
        load=False,
        faults=(
            "kill_actor", "kill_supervisor", "kill_backend", "restart_server", "held_snapshot",
            "idle_connections",
        ),
    ),
}  # fmt: skip
"""The plans that have a name."""


def plan_of(data: Mapping[str, Any], where: str) -> StressPlan:
    """Return the plan that is described; raises ConfigError that names the key and what it takes.

    `where` says in the message where the plan comes from.
    """
    _refuse_unknown(data, StressPlan, where, ())
    try:
        return msgspec.convert(data, StressPlan)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{where}: {_said(error)}") from None


def plan_of_toml(text: str, where: str) -> StressPlan:
    """Return the plan that a TOML file holds."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{where} is no TOML: {error}") from None
    return plan_of(data, where)


def changed(plan: StressPlan, options: Mapping[str, Any]) -> StressPlan:
    """Return a plan with other values: of its own, and of `load` by dotted names."""
    own = {name: value for name, value in options.items() if "." not in name}
    load = {name[5:]: value for name, value in options.items() if name.startswith("load.")}
    if load:
        settings = plan.load or LoadPlan()
        own["load"] = msgspec.structs.replace(settings, **load)
    return msgspec.structs.replace(plan, **own)


def slo_of(text: str) -> dict[str, float]:
    """Return the bounds of `p99_ms=50,lost=0`."""
    made = {}
    for part in text.split(","):
        name, equals, value = part.partition("=")
        try:
            made[name.strip()] = float(value)
        except ValueError:
            equals = ""
        if not equals:
            raise ConfigError(f"slo: {part!r} is not of the form p99_ms=50")
    return made


def _refuse_unknown(data: object, struct: Any, where: str, path: tuple[str, ...]) -> None:
    if not isinstance(data, Mapping):
        return
    known = {field.name: field.type for field in msgspec.structs.fields(struct)}
    for key, value in data.items():
        if key not in known:
            place = f" in [{'.'.join(path)}]" if path else ""
            near = difflib.get_close_matches(str(key), known, n=1)
            guess = f"did you mean {near[0]}? " if near else ""
            raise ConfigError(
                f"{where}: unknown key {str(key)[:80]!r}{place}: {guess}it takes {', '.join(known)}"
            )
        for inner in _structs_in(known[key]):
            for one in value if isinstance(value, list) else [value]:
                _refuse_unknown(one, inner, where, (*path, key))


def _structs_in(annotation: Any) -> list[Any]:
    """Return the structs that a value of a type may hold."""
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return [annotation]
    if get_origin(annotation) in (tuple, typing.Union, types.UnionType):
        return [found for arg in get_args(annotation) for found in _structs_in(arg)]
    return []


def _said(error: msgspec.ValidationError) -> str:
    """Return msgspec's message with the key in front, as it is written in TOML."""
    text, _, place = str(error).partition(" - at `$")
    key = re.sub(r"\[\d+\]|\[\.\.\.\]", "", place.strip("`.")).lstrip(".")
    return f"{key}: {text}" if key else text
