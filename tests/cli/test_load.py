"""MODULE:APP is found in the user's own code, and what is wrong there is said clearly."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from actorq.app import App
from actorq.cli.load import LoadFailed, load_app
from actorq.errors import ConfigError


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return an empty current directory; what is imported from it is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p])
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def write(code: Path, name: str, text: str) -> None:
    (code / f"{name}.py").write_text(text)


@pytest.mark.parametrize(
    "target", ["good_mod:app", "good_mod", "good_mod:make", "good_mod:holder.app"]
)
def test_an_app_a_factory_or_a_dotted_name_is_found(code: Path, target: str) -> None:
    text = """
import types, actorq
app = actorq.App()
def make(): return app
holder = types.SimpleNamespace(app=app)
"""
    write(code, "good_mod", text)
    assert isinstance(load_app(target), App)


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("handlers.py:app", "write MODULE:APP"),
        ("./handlers:app", "write MODULE:APP"),
        (":app", "write MODULE:APP"),
        ("missing_mod:app", "no module 'missing_mod'"),
        ("missing_mod.sub:app", "no module 'missing_mod.sub'"),
        ("plain_mod:nothing", "has no 'nothing'"),
        ("plain_mod:number", "an int is not an actorq.App"),
        ("plain_mod:number_maker", "an int is not an actorq.App"),
        ("plain_mod:kind", "plain_mod:kind is the kind 'shrink': .* --kind shrink"),
        ("plain_mod:later", "plain_mod:later is an async function"),
        ("plain_mod:wrong", "calling plain_mod:wrong: schema name"),
    ],
)
def test_a_wrong_target_is_explained(code: Path, target: str, text: str) -> None:
    write(
        code,
        "plain_mod",
        "import actorq\nnumber = 1\ndef number_maker(): return 1\n"
        "def wrong(): return actorq.App(schema='A b')\n"
        "async def later(): return actorq.App()\n"
        "@actorq.App().actor('shrink')\ndef kind(): raise AssertionError('called')\n",
    )
    with pytest.raises(ConfigError, match=text):
        load_app(target)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("import not_installed_mod", "ModuleNotFoundError"),
        ("raise SystemExit(0)", "SystemExit"),
        ("def f(:", "SyntaxError"),
        ("def app(): return 1 / 0", "ZeroDivisionError"),
    ],
)
def test_an_error_in_the_users_code_shows_the_users_frames_only(
    code: Path, body: str, error: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write(code, "broken_mod", body)
    with pytest.raises(LoadFailed, match=error):
        load_app("broken_mod:app")
    trace = capsys.readouterr().err
    assert error in trace
    assert "broken_mod.py" in trace
    assert "importlib" not in trace
    assert "cli/load.py" not in trace
