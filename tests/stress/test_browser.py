"""The report in a browser: all of it is drawn, at both widths, and nothing comes from elsewhere."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from actorq.stress.core.figures import FaultFigures
from actorq.stress.report.page import page as report_page
from tests.stress import reports

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
WIDTHS = (400, 1280)
LEAST_TEXT_PX = 9.0
"""Smaller letters cannot be read on a telephone."""


class Opened(NamedTuple):
    """A page that was opened, with what its browser said and asked for meanwhile."""

    page: Page
    said: list[str]
    asked: list[str]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    api = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("there is no chromium")
    with api.sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield made
        made.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a report of made-up figures in which every section has something to draw."""
    fault = FaultFigures(fault="kill_actor", what="an actor is killed", at_s=1.0, recovered_s=0.5,
                         lost=0, unfinished=0, doubtful=0, ran_again=1, worst_ms=80.0)  # fmt: skip
    step = reports.step(
        name="9: an actor is killed", role="fault", fault_at_s=1.0,
        audit=reports.audit(causes={"signal": 3, "error": 40}), queues={
            "heard": reports.latencies(), "looked_for": reports.latencies(ms=50.0)}
    )  # fmt: skip
    made = reports.report([*reports.report().steps, step], faults=[fault], unseen=["waits …"])
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(report_page(made), "utf-8")
    return path


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[dict[str, Any], Path]]:
    """Return the figures and the report of a small test on a private server."""
    home = Path(tempfile.mkdtemp(prefix="actorq stress "))
    home.chmod(0o711)
    path = tmp_path_factory.mktemp("real") / "report.html"
    words = ["--embedded", "--json", "--rate", "100", "--step", "1s", "--repeats", "1"]
    words += ["--drain", "300", "--slo", "lost=0", "--report", str(path)]
    done = subprocess.run(
        [sys.executable, "-P", "-m", "actorq", "stress", *words], text=True, check=False,
        env={**os.environ, "XDG_DATA_HOME": str(home)}, capture_output=True, timeout=100,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    yield json.loads(done.stdout.splitlines()[-1]), path
    assert list(home.iterdir()) == [], "the private server was not removed"
    shutil.rmtree(home)


def opened(browser: Browser, path: Path, width: int, **settings: Any) -> Opened:
    page = browser.new_page(viewport={"width": width, "height": 900}, **settings)
    found = Opened(page, [], [])
    page.on("console", lambda message: found.said.append(message.text))
    page.on("pageerror", lambda error: found.said.append(str(error)))
    page.on("request", lambda request: found.asked.append(request.url))
    page.goto(path.as_uri())
    return found


def check(found: Opened, path: Path, width: int) -> None:
    """Check that all is drawn within the width, in letters that can be read."""
    assert found.said == []
    assert found.asked == [path.as_uri()]
    measured = found.page.evaluate(MEASURE)
    assert measured["width"] <= width
    assert measured["empty"] == []
    assert measured["outside"] == []
    assert measured["text_px"] >= LEAST_TEXT_PX
    assert measured["n_lines"] >= 3


MEASURE = """() => {
  const svgs = [...document.querySelectorAll('svg')];
  const label = svg => svg.getAttribute('aria-label');
  const texts = svgs.flatMap(svg => [...svg.querySelectorAll('text')]);
  const scale = svg => svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
  return {
    width: document.documentElement.scrollWidth,
    empty: svgs.filter(svg => {
      const box = svg.getBoundingClientRect();
      return box.width < 200 || box.height < 30 || !svg.querySelector('path,rect,circle');
    }).map(label),
    outside: texts.filter(text => {
      const box = text.getBBox(), view = text.ownerSVGElement.viewBox.baseVal;
      const right = box.x + box.width, bottom = box.y + box.height;
      return box.x < -1 || right > view.width + 1 || bottom > view.height + 1;
    }).map(text => text.textContent),
    text_px: Math.min(...svgs.map(svg => 11 * scale(svg))),
    n_lines: document.querySelectorAll('svg path.line, svg path.dots').length,
  };
}"""


@pytest.mark.parametrize(("width", "scheme"), [(400, "dark"), (1280, "light")])
def test_every_plot_is_drawn(
    browser: Browser, report: Path, width: int, scheme: str, tmp_path: Path
) -> None:
    found = opened(browser, report, width, color_scheme=scheme)
    check(found, report, width)
    ground = found.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (scheme == "light")
    found.page.screenshot(path=tmp_path / "report.png", full_page=True)
    assert (tmp_path / "report.png").stat().st_size > 50_000
    found.page.close()


def test_on_paper_it_is_light(browser: Browser, report: Path) -> None:
    found = opened(browser, report, 1280, color_scheme="dark")
    found.page.emulate_media(media="print", color_scheme="dark")
    ground = found.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == "rgb(255, 255, 255)"
    found.page.close()


def test_a_test_on_a_private_server_is_complete(real: tuple[dict[str, Any], Path]) -> None:
    figures, path = real
    assert figures["lost"] == figures["duplicates"] == figures["unfinished"] == 0
    assert figures["counts_agree"] is True
    counts = figures["counts"]
    assert counts["table"] == counts["polling"] == counts["events"] == figures["jobs"] > 350
    assert {step["loop"] for step in figures["steps"]} == {"open", "closed"}
    assert figures["drain_jobs_per_s"] > 0
    assert [slo["kept"] for slo in figures["slo"]] == [True]
    assert path.stat().st_size < 1_000_000
    saved = json.loads(path.with_suffix(".json").read_text())
    assert saved["manifest"]["settled_at"] == "the commit"
    for step in saved["steps"]:
        assert step["audit"]["checksum"] == step["audit"]["expected_checksum"] != ""


@pytest.mark.parametrize("width", WIDTHS)
def test_a_real_report_can_be_read(
    browser: Browser, real: tuple[dict[str, Any], Path], width: int
) -> None:
    path = real[1]
    found = opened(browser, path, width)
    check(found, path, width)
    found.page.close()
