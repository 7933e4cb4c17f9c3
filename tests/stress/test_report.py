"""The page: complete, escaped, bounded, and without anything from elsewhere."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorq.stress.core.figures import StressReport
from actorq.stress.report.charts import MAX_POINTS, Axis, ChartSeries, Mark, bars, chart, thinned
from actorq.stress.report.page import page
from actorq.stress.report.scales import LinearScale, LogScale, round_step, short
from actorq.stress.report.svg import Markup, area, element, line
from tests.stress import reports

VOID = {"meta"}


class Elements(HTMLParser):
    """Count elements, and see that each that begins also ends."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_every_part_of_a_report_is_drawn() -> None:
    text = page(reports.report())
    elements = Elements(text).found
    assert elements.count("svg") >= 2 * 5 + 3 + 8
    for words in (
        "The knee lies between 4,000 jobs/s", "closed loop, drain", "open loop, 1: 1,000 jobs/s",
        "Latency against rate", "The tail", "Failed attempts by kind", "CPU by role",
        "Memory by role", "Conditions",        "counts: table, polling, events", "versions.actorq",
    ):  # fmt: skip
        assert words in text, words


def test_nothing_is_loaded_and_nothing_is_run() -> None:
    text = page(reports.report())
    assert "script" not in Elements(text).found
    assert not re.search(r"\b(?:src|href)\s*=|url\(|@import", text)
    assert "default-src 'none'" in text
    assert "http://" not in text
    assert "https://" not in text


def test_what_comes_from_elsewhere_is_escaped() -> None:
    bad = "<b onclick='x'>&"
    report = reports.report(findings=[bad], manifest={"date": bad, "place": bad})
    text = page(report)
    assert "<b onclick" not in text
    assert "&lt;b onclick" in text


def test_a_report_of_nothing_can_be_read() -> None:
    empty = reports.report(samples=[], knee=None, half_knee={}, manifest={"date": "today"})
    report = StressReport(
        **{**{f: getattr(empty, f) for f in empty.__struct_fields__}, "steps": []}
    )
    assert "actorq stress test" in page(report)


def test_a_long_test_stays_below_a_megabyte() -> None:
    windows = reports.step(n_windows=5000).windows
    steps = [reports.step(1000.0 + n, windows=windows) for n in range(45)]
    samples = [reports.sample(float(n)) for n in range(5000)]
    text = page(reports.report(steps, samples=samples))
    assert len(text.encode()) < 1_000_000


@given(st.text())
def test_text_in_an_element_is_never_markup(text: str) -> None:
    made = element("p", text, title=text)
    assert "<" not in made.removeprefix("<p title=").removesuffix("</p>")


def test_markup_is_put_in_unchanged() -> None:
    assert element("g", Markup("<a/>"), None, 1.50, class_="x", stroke_width=2) == (
        '<g class="x" stroke-width="2"><a/>1.5</g>'
    )
    assert element("rect", x=None) == "<rect></rect>"


def test_paths_go_through_their_points() -> None:
    assert line([(0, 1), (2.55, 3)]) == "M0.0,1.0L2.5,3.0"
    assert area([(0, 1), (2, 3)], 9) == "M0.0,1.0L2.0,3.0L2.0,9.0L0.0,9.0Z"
    assert line([]) == area([], 1) == ""


@given(st.floats(0.001, 1e7), st.floats(1.0, 1e6))
def test_a_logarithmic_axis_keeps_the_order_and_has_few_marks(low: float, ratio: float) -> None:
    scale = LogScale(low, low * ratio, 0.0, 100.0)
    values = [low * ratio ** (n / 10) for n in range(11)]
    places = [scale.at(value) for value in values]
    assert places == sorted(places)
    assert all(-1e-6 <= place <= 100 + 1e-6 for place in places)
    assert len(scale.ticks()) <= 6


@given(st.floats(-1e6, 1e6), st.floats(0.001, 1e6))
def test_a_linear_axis_has_marks_within_its_ends(low: float, span: float) -> None:
    scale = LinearScale(low, low + span, 0.0, 100.0)
    ticks = scale.ticks()
    assert 1 <= len(ticks) <= 6
    assert all(-1e-3 <= scale.at(tick.value) <= 100.001 for tick in ticks)


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (0.05, "0.05"), (1500, "1.5k"), (2e7, "20M"), (999, "999")]
)
def test_numbers_on_axes_are_short(value: float, text: str) -> None:
    assert short(value) == text


def test_steps_between_marks_are_round() -> None:
    assert [round_step(x) for x in (0.7, 1.0, 1.1, 3.0, 7.0)] == [1.0, 1.0, 2.0, 5.0, 10.0]


def test_a_line_with_many_points_keeps_its_peaks() -> None:
    points = [(float(n), 1000.0 if n == 5021 else 1.0) for n in range(10_000)]
    kept = thinned(points)
    assert len(kept) <= MAX_POINTS
    assert (5021.0, 1000.0) in kept
    assert thinned(points[:10]) == points[:10]


def test_a_chart_of_nothing_is_a_sentence() -> None:
    assert "nothing was seen" in chart("waits", Axis("s"), Axis("n"), [ChartSeries("a", 0, [])])
    assert "none" in bars("failures", [])


def test_what_an_axis_has_no_place_for_is_left_out() -> None:
    series = [ChartSeries("a", 0, [(0.0, 1.0), (1.0, 0.0), (1.0, 1.0), (2.0, 5.0)])]
    made = chart("x", Axis("x", log=True), Axis("y", log=True), series)
    [path] = re.findall(r'<path d="(M[^"]+)" class="l0', made)
    assert path.count("L") == 1


def test_a_mark_is_drawn_with_its_word() -> None:
    series = [ChartSeries("a", 0, [(1.0, 1.0), (10.0, 2.0)])]
    made = chart("x", Axis("x"), Axis("y"), series, [Mark(5.0, "knee & more")])
    assert "knee &amp; more" in made
    assert 'class="marked"' in made
