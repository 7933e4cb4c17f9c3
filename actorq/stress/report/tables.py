"""Tables and short texts of the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from actorq.stress.report.svg import Content, Markup, element, joined


def table(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> Markup:
    """Return a table that scrolls within its column where it is too wide; numbers to the right."""
    is_number = [_any_number(rows, n) for n in range(len(headers))]
    head = joined(
        element("th", text, class_="n" if number else None)
        for text, number in zip(headers, is_number, strict=True)
    )
    body = joined(
        element("tr", joined(_cell(v, n) for v, n in zip(row, is_number, strict=True)))
        for row in rows
    )
    made = element("table", element("thead", element("tr", head)), element("tbody", body))
    return element("div", made, class_="wide")


def fields(values: Mapping[str, Any]) -> Markup:
    """Return names and values, one per row; what is in a mapping is named by both names."""
    return table(("what", "value"), [(name, shown(value)) for name, value in flat(values)])


def flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Return the entries of mappings in mappings, each with its whole name."""
    made: list[tuple[str, Any]] = []
    for name, value in values.items():
        if isinstance(value, Mapping):
            made += flat(value, f"{prefix}{name}.")
        else:
            made.append((f"{prefix}{name}", value))
    return made


def card(value: str, about: str) -> Markup:
    """Return one figure in large."""
    return element("div", element("b", value), element("span", about), class_="card")


def figure(title: str, *parts: Content, caption: str = "") -> Markup:
    """Return a plot with its title above and a sentence below."""
    below = element("figcaption", caption) if caption else None
    return element("figure", element("h3", title), *parts, below)


def section(title: str, *parts: Content) -> Markup:
    """Return a section with its heading."""
    return element("section", element("h2", title), *parts)


def shown(value: object) -> str:
    """Return a value for people: numbers in groups of three digits, None as a dash."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.4g}"
    return str(value)


def _cell(value: object, is_number: bool) -> Markup:
    kind = "n" if is_number else ("why" if len(str(value)) > 22 else None)
    return element("td", shown(value), class_=kind)


def _any_number(rows: Sequence[Sequence[object]], n: int) -> bool:
    return any(isinstance(row[n], int | float) for row in rows)
