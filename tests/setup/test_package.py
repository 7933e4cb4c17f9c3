"""What is released: built, installed into an environment of its own, and at work out of it."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.support.shell import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
VERSION = PROJECT["version"]
HANDLERS = """
import actorq

app = actorq.App()

@app.actor("double")
def double(n: int) -> int:
    return 2 * n
"""


def run(*command: object, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a command without anything of this checkout in its environment."""
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "PG", "ACTORQ_", "VIRTUAL_ENV"))
    }
    return subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**clean, **env},
        capture_output=True,
        text=True,
        timeout=150,
    )


def build(source: Path, to: Path, *targets: str) -> None:
    ran = run(sys.executable, "-m", "hatchling", "build", "-d", to, *targets, cwd=source)
    assert ran.returncode == 0, ran.stderr


def package_files() -> set[str]:
    """Return the files of the package as they lie here, those that Python has made left out."""
    found = (path for path in (ROOT / "actorq").rglob("*") if path.is_file())
    return {str(path.relative_to(ROOT)) for path in found if path.suffix not in (".pyc", ".pyo")}


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with the wheel and the sdist."""
    path = tmp_path_factory.mktemp("dist")
    build(ROOT, path)
    return path


def wheel(dist: Path) -> Path:
    return dist / f"actorq-{VERSION}-py3-none-any.whl"


def test_the_changelog_tells_of_the_version_that_is_built() -> None:
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert f"\n## [{VERSION}] - 20" in text
    assert text.index("\n## [Unreleased]") < text.index(f"\n## [{VERSION}]")


def test_the_wheel_holds_the_package_and_nothing_else(dist: Path) -> None:
    with zipfile.ZipFile(wheel(dist)) as file:
        names = set(file.namelist())
    info = f"actorq-{VERSION}.dist-info/"
    packaged = {name for name in names if not name.startswith(info)}
    assert packaged == package_files()
    for needed in ("py.typed", "docs/operations.md", "store/sql/claim/claim.sql"):
        assert f"actorq/{needed}" in packaged
    assert "actorq/store/schema/migrations/0001_initial/1_tables.sql" in packaged
    assert f"{info}licenses/LICENSE" in names


def test_the_sdist_makes_the_same_wheel(dist: Path, tmp_path: Path) -> None:
    with tarfile.open(dist / f"actorq-{VERSION}.tar.gz") as file:
        file.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    left_out = {".venv", ".git", "dist", "tmp", ".mypy_cache", ".pytest_cache", ".ruff_cache"}
    assert not left_out & {path.name for path in source.iterdir()}
    build(source, tmp_path, "-t", "wheel")
    with zipfile.ZipFile(wheel(tmp_path)) as again, zipfile.ZipFile(wheel(dist)) as first:
        assert {i.filename: i.CRC for i in again.infolist()} == {
            i.filename: i.CRC for i in first.infolist()
        }


@pytest.mark.slow  # it makes an environment
def test_the_installed_package_migrates_and_runs_a_job(
    dist: Path, empty_dsn: str, tmp_path: Path
) -> None:
    venv, work = tmp_path / "venv", tmp_path / "work"
    work.mkdir()
    python = venv / "bin/python"
    # Half of what an environment takes is a pip of its own. Those that uv makes have none to lend.
    lent = importlib.util.find_spec("pip") is not None
    made = run(sys.executable, "-m", "venv", *["--without-pip"] * lent, venv, cwd=tmp_path)
    if made.returncode:
        pytest.skip(f"no environment can be made here: {made.stdout[-200:]}")
    pip = [sys.executable, "-m", "pip", "--python", python] if lent else [python, "-m", "pip"]
    pip += ["install", "--quiet", "--no-input"]
    constraints = ROOT / "scripts/constraints.txt"
    needed = run(*pip, "-c", constraints, *PROJECT["dependencies"], cwd=tmp_path)
    if needed.returncode:
        pytest.skip(f"pip gets no packages here: {needed.stderr.strip()[-200:]}")
    installed = run(*pip, "--no-index", "--no-deps", wheel(dist), cwd=tmp_path)
    assert installed.returncode == 0, installed.stderr

    (work / "handlers.py").write_text(HANDLERS)

    def actorq(*words: str) -> str:
        ran = run(venv / "bin/actorq", *words, cwd=work, ACTORQ_DSN=empty_dsn)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    assert actorq("--version") == f"actorq {VERSION}\n"
    assert "0001_initial" in actorq("migrate", "--plan")
    assert "applied 0001_initial" in actorq("migrate")
    actorq("enqueue", "handlers:app", "double", "21")
    actorq("run", "handlers:app", "--drain")
    assert "42" in actorq("jobs", "1")
    assert "ok    " in actorq("doctor")
    where = run(python, "-c", "import actorq; print(actorq.__file__)", cwd=work)
    assert where.stdout.startswith(str(venv))
