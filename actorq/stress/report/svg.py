"""SVG and HTML as text: elements with everything in them escaped."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence


class Markup(str):
    """Text that is markup already, and is put into other markup unchanged."""

    __slots__ = ()


Content = str | Markup | float | None
"""What can be put into an element; plain text is escaped, None is nothing."""


def element(name: str, *children: Content, **attributes: object) -> Markup:
    """Return an element; `class_` is the attribute class, `a_b` is a-b, None leaves it out."""
    written = "".join(
        f' {_name(key)}="{html.escape(_text(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    inner = "".join(_inner(child) for child in children)
    return Markup(f"<{name}{written}>{inner}</{name}>")


def joined(parts: Iterable[str]) -> Markup:
    """Return markup one after another."""
    return Markup("".join(parts))


def line(points: Sequence[tuple[float, float]]) -> str:
    """Return the path through points, with a tenth of a unit as precision."""
    return "M" + "L".join(f"{x:.1f},{y:.1f}" for x, y in points) if points else ""


def area(points: Sequence[tuple[float, float]], floor: float) -> str:
    """Return the path around what lies between points and a floor."""
    if not points:
        return ""
    return f"{line(points)}L{points[-1][0]:.1f},{floor:.1f}L{points[0][0]:.1f},{floor:.1f}Z"


def _name(key: str) -> str:
    return key.rstrip("_").replace("_", "-") if key != "viewBox" else key


def _text(value: object) -> str:
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)


def _inner(child: Content) -> str:
    if child is None:
        return ""
    return child if isinstance(child, Markup) else html.escape(_text(child), quote=False)
