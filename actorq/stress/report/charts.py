"""Charts: lines, bars and marks in a frame of axes, as inline SVG that fits its column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from actorq.stress.report.scales import LinearScale, LogScale, Scale, short
from actorq.stress.report.svg import Markup, area, element, joined, line

WIDTH = 420.0
LEFT, RIGHT, TOP, BOTTOM = 46.0, 14.0, 24.0, 34.0
"""Around the axes, for their labels."""

LINE_PX = 14.0
MAX_POINTS = 240
"""A line has at most so many points: more than a screen shows, and a day's test stays small."""

ROOM = 1.15
"""How much further than its points a logarithmic axis goes, as a ratio."""

Point = tuple[float, float]


class ChartSeries(NamedTuple):
    """A line: its name in the legend, its colour by number, and its points."""

    name: str
    colour: int
    points: Sequence[Point]
    style: Literal["line", "dashed", "area", "dots"] = "line"


class Axis(NamedTuple):
    """What an axis shows; without ends they are taken from the points."""

    title: str
    log: bool = False
    low: float | None = None
    high: float | None = None


class Mark(NamedTuple):
    """A line across a chart at an x, with a word."""

    x: float
    text: str
    dashed: bool = False


def chart(
    label: str,
    x: Axis,
    y: Axis,
    series: Sequence[ChartSeries],
    marks: Sequence[Mark] = (),
    height: float = 230.0,
) -> Markup:
    """Return a chart; where there is no point, a sentence instead."""
    shown = [each._replace(points=thinned(_drawable(each.points, x, y))) for each in series]
    shown = [each for each in shown if each.points]
    if not shown:
        return element("p", f"{label}: nothing was seen.", class_="none")
    across = [p[0] for each in shown for p in each.points] + [mark.x for mark in marks]
    up = [p[1] for each in shown for p in each.points]
    along = _scale(x, across, LEFT, WIDTH - RIGHT, 6)
    upward = _scale(y, up, height - BOTTOM, TOP, 5)
    parts = [_grid(along, upward, x, y, height)]
    parts += [_drawn(each, along, upward, height) for each in shown]
    parts += [_mark(mark, along, height, n) for n, mark in enumerate(marks)]
    return joined([_svg(label, height, parts), _legend(shown)])


def bars(label: str, rows: Sequence[tuple[str, float]], unit: str = "") -> Markup:
    """Return horizontal bars, the longest over the whole width, each with its value."""
    if not rows:
        return element("p", f"{label}: none.", class_="none")
    most = max(value for _, value in rows) or 1.0
    parts = []
    for n, (name, value) in enumerate(rows):
        top = 6 + n * 34.0
        length = max(1.0, value / most * (WIDTH - 2))
        parts.append(
            element("text", f"{name}: {short(value)}{unit}", x=0, y=top + 11, class_="bar")
        )
        parts.append(element("rect", x=0, y=top + 15, width=length, height=9.0, rx=2, class_="f0"))
    return _svg(label, len(rows) * 34.0 + 8, parts)


def thinned(points: Sequence[Point], most: int = MAX_POINTS) -> list[Point]:
    """Return at most so many points: of each run of neighbours the one with the highest y."""
    if len(points) <= most:
        return list(points)
    size = len(points) / most
    runs = [points[int(n * size) : int((n + 1) * size)] for n in range(most)]
    return [max(run, key=lambda point: point[1]) for run in runs if run]


def _drawable(points: Sequence[Point], x: Axis, y: Axis) -> list[Point]:
    """Return the points that their axes have a place for."""
    return [p for p in points if (p[0] > 0 or not x.log) and (p[1] > 0 or not y.log)]


def _scale(axis: Axis, values: Sequence[float], begin: float, end: float, n: int) -> Scale:
    low = min(values) if axis.low is None else axis.low
    high = max(values) if axis.high is None else axis.high
    if axis.log:
        room = 1.0 if axis.high is not None else ROOM
        return LogScale(low / ROOM, high * room, begin, end, n)
    return LinearScale(min(0.0, low), high * 1.05 if axis.high is None else high, begin, end, n)


def _svg(label: str, height: float, parts: Sequence[str]) -> Markup:
    return element(
        "svg",
        element("title", label),
        joined(parts),
        viewBox=f"0 0 {WIDTH:.0f} {height:.0f}",
        role="img",
        aria_label=label,
        class_="chart",
    )


def _grid(along: Scale, upward: Scale, x: Axis, y: Axis, height: float) -> Markup:
    floor = height - BOTTOM
    parts = []
    for tick in upward.ticks():
        at = upward.at(tick.value)
        parts.append(element("path", d=line([(LEFT, at), (WIDTH - RIGHT, at)]), class_="grid"))
        parts.append(element("text", tick.label, x=LEFT - 5, y=at + 4, class_="up"))
    for tick in along.ticks():
        at = along.at(tick.value)
        parts.append(element("path", d=line([(at, floor), (at, floor + 4)]), class_="axis"))
        parts.append(element("text", tick.label, x=at, y=floor + 15, class_="along"))
    parts.append(element("path", d=line([(LEFT, floor), (WIDTH - RIGHT, floor)]), class_="axis"))
    parts.append(element("text", x.title, x=WIDTH - RIGHT, y=height - 5, class_="title end"))
    parts.append(element("text", y.title, x=2, y=11, class_="title"))
    return joined(parts)


def _drawn(series: ChartSeries, along: Scale, upward: Scale, height: float) -> Markup:
    places = [(along.at(x), upward.at(y)) for x, y in series.points]
    if series.style == "area":
        return element("path", d=area(places, height - BOTTOM), class_=f"a{series.colour}")
    drawn = [] if len(places) < 2 else [
        element("path", d=line(places), class_=f"l{series.colour} {series.style}")
    ]  # fmt: skip
    if series.style == "dots" or len(places) < 2:
        drawn += [
            element("circle", cx=x, cy=y, r=2.6, class_=f"f{series.colour}") for x, y in places
        ]
    return joined(drawn)


def _mark(mark: Mark, along: Scale, height: float, n: int) -> Markup:
    at = along.at(mark.x)
    is_right = not mark.dashed or at > WIDTH - 90
    text = element(
        "text",
        mark.text,
        x=at + (-4 if is_right else 4),
        y=height - BOTTOM - 8 - n * LINE_PX,
        class_="mark end" if is_right else "mark",
    )
    style = "marked dashed" if mark.dashed else "marked"
    return joined([element("path", d=line([(at, TOP), (at, height - BOTTOM)]), class_=style), text])


def _legend(series: Sequence[ChartSeries]) -> Markup:
    if len(series) < 2:
        return Markup("")
    parts = [element("span", element("i", class_=f"k{s.colour} {s.style}"), s.name) for s in series]
    return element("p", joined(parts), class_="legend")
