"""The scripts' environment is made once, found again, completed when half made, moved, shared."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import threading
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

from tests.support.wait import wait_until

SCRIPTS = Path(__file__).parents[2] / "scripts"


class Checkout:
    """Be a checkout whose installations are only noted down."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Make the files that an environment depends on."""
        (root / "scripts").mkdir(parents=True)
        (root / "pyproject.toml").write_text("a")
        (root / "scripts/constraints.txt").write_text("b")
        self.root, self.venv = root, root / ".venv"
        self.installed: list[set[str]] = []
        self.created: list[Path] = []
        self.env = load()
        monkeypatch.setattr(self.env, "ROOT", root)
        monkeypatch.setattr(self.env, "CONSTRAINTS", root / "scripts/constraints.txt")
        monkeypatch.setattr(self.env, "_create", self.create)
        monkeypatch.setattr(self.env, "_install", self.install)

    def create(self, venv: Path, base: str, uv: str | None) -> None:
        self.created.append(venv)
        (venv / "bin").mkdir(parents=True, exist_ok=True)
        (venv / "bin/python").unlink(missing_ok=True)
        (venv / "bin/python").symlink_to(base)

    def install(self, venv: Path, extras: set[str], uv: str | None) -> None:
        self.installed.append(set(extras))


def load() -> ModuleType:
    """Load the bootstrap, which is no package."""
    spec = importlib.util.spec_from_file_location("_env", SCRIPTS / "_env.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return Checkout(tmp_path / "a checkout", monkeypatch)


def test_the_second_start_finds_what_the_first_one_made(checkout: Checkout) -> None:
    python = checkout.env.ready(["demo", "cli"])
    assert python == str(checkout.venv / "bin/python")
    assert checkout.env.ready(["demo"]) == python
    assert checkout.installed == [{"demo", "cli"}]


def test_more_extras_are_added_to_those_that_are_there(checkout: Checkout) -> None:
    checkout.env.ready(["demo"])
    checkout.env.ready(["test"])
    checkout.env.ready(["demo", "test"])
    assert checkout.installed == [{"demo"}, {"demo", "test"}]
    assert len(checkout.created) == 1


@pytest.mark.parametrize("name", ["pyproject.toml", "scripts/constraints.txt"])
def test_changed_requirements_are_installed(checkout: Checkout, name: str) -> None:
    checkout.env.ready(["demo"])
    (checkout.root / name).write_text("changed")
    checkout.env.ready(["demo"])
    assert len(checkout.installed) == 2
    assert len(checkout.created) == 1


def test_a_half_made_environment_is_completed(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(venv: Path, extras: set[str], uv: str | None) -> None:
        raise checkout.env.SetUpError("the network is down")

    with monkeypatch.context() as patch:
        patch.setattr(checkout.env, "_install", fail)
        with pytest.raises(SystemExit, match="1"):
            checkout.env.ready(["demo"])
    assert "actorq: the network is down" in capsys.readouterr().err
    checkout.env.ready(["demo"])
    assert checkout.installed == [{"demo"}]


def test_a_failed_change_is_not_taken_for_complete(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout.env.ready(["demo"])
    (checkout.root / "pyproject.toml").write_text("changed")

    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(checkout.env, "_install", interrupt)
        with pytest.raises(SystemExit, match="1"):
            checkout.env.ready(["demo"])
    (checkout.root / "pyproject.toml").write_text("a")
    checkout.env.ready(["demo"])
    assert len(checkout.installed) == 2


def test_a_broken_stamp_is_no_stamp(checkout: Checkout) -> None:
    checkout.env.ready(["demo"])
    (checkout.venv / "actorq-set-up.json").write_text("{")
    checkout.env.ready(["demo"])
    assert len(checkout.installed) == 2


def test_a_moved_checkout_makes_a_new_environment(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout.env.ready(["demo"])
    moved = checkout.root.rename(checkout.root.with_name("elsewhere"))
    monkeypatch.setattr(checkout.env, "ROOT", moved)
    monkeypatch.setattr(checkout.env, "CONSTRAINTS", moved / "scripts/constraints.txt")
    checkout.env.ready(["demo"])
    assert checkout.created == [checkout.venv, moved / ".venv"]


def test_in_somebody_elses_checkout_the_user_gets_an_environment_of_their_own(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(checkout.env, "_is_ours", lambda venv: False)
    python = Path(checkout.env.ready(["demo"]))
    assert tmp_path / "cache/actorq" in python.parents
    assert not checkout.venv.exists()


def test_without_a_cache_directory_a_private_temporary_one_is_used(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file/cache"))
    monkeypatch.setattr(checkout.env.tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.setattr(checkout.env, "_is_ours", lambda venv: False)
    place = Path(checkout.env.ready(["demo"])).parents[2]
    assert place.parent == tmp_path / "tmp"
    assert place.stat().st_mode & 0o777 == 0o700
    place.chmod(0o777)
    with pytest.raises(checkout.env.SetUpError, match="not a private directory"):
        checkout.env._own_place()


def test_of_two_starts_at_once_one_waits_for_the_other(
    checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    said: list[str] = []
    with checkout.env._locked(checkout.root / ".venv.lock"):
        second = threading.Thread(target=checkout.env.ready, args=(["demo"],))
        second.start()

        def is_waiting() -> bool:
            said.append(capsys.readouterr().err)
            return "waiting for it" in "".join(said)

        wait_until(is_waiting)
        assert not checkout.installed
    second.join()
    assert checkout.installed == [{"demo"}]


def test_too_old_a_python_is_named_with_the_package(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkout.env, "_runs", lambda python, test="pass": False)
    with pytest.raises(checkout.env.SetUpError, match=r"3\.11 or newer .* install python3 python3"):
        checkout.env._find_python(has_uv=False)


def test_a_python_that_makes_no_environments_is_named_with_the_package(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkout.env, "_runs", lambda python, test="pass": test == "pass")
    real = Path(sys.executable).resolve().name
    with pytest.raises(checkout.env.SetUpError, match=rf"apt-get install {real}-venv"):
        checkout.env._find_python(has_uv=False)
    assert checkout.env._find_python(has_uv=True)


def test_uv_that_fails_is_followed_by_pip(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = load()
    ran: list[str] = []

    def run(command: list[str]) -> subprocess.CompletedProcess[str]:
        ran.append(command[0])
        return subprocess.CompletedProcess(command, int(command[0] == "uv"), "no route")

    monkeypatch.setattr(env, "_quietly", run)
    monkeypatch.setattr(env, "_runs", lambda python, test="pass": True)
    env._install(checkout.venv, {"demo"}, "uv")
    python = str(checkout.venv / "bin/python")
    assert ran == ["uv", python, python]


def test_tools_keep_their_caches_out_of_somebody_elses_checkout(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "RUFF_CACHE_DIR" not in checkout.env.caches()
    monkeypatch.setattr(os, "access", lambda path, mode: path != checkout.root)
    caches = checkout.env.caches()
    assert str(checkout.root) not in caches["RUFF_CACHE_DIR"] + caches["PYTHONPYCACHEPREFIX"]


def test_what_is_imported_is_compiled_once_whatever_the_user_has_set(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Images of containers set this, and each of thousands of processes would compile it all."""
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    assert "PYTHONDONTWRITEBYTECODE" not in checkout.env.caches()


def test_an_unknown_benchmark_is_refused_with_the_list(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, SCRIPTS / "bench", "nonsense"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "usage: scripts/bench NAME" in done.stderr


def test_the_stamp_says_what_is_in_it(checkout: Checkout) -> None:
    checkout.env.ready(["demo"])
    stamp = json.loads((checkout.venv / "actorq-set-up.json").read_text())
    assert stamp["extras"] == ["demo"]
    assert stamp["place"] == str(checkout.venv)


def test_developers_groups_are_installed_by_what_they_need(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = load()
    steps: list[list[str]] = []
    monkeypatch.setattr(env, "_each", lambda command, wanted: steps.extend(wanted))
    env._install(checkout.venv, {"cli", "embedded", "bench", "test"}, "uv")
    names, *needed = steps[1][2:]
    assert names.endswith("[cli,embedded]")
    assert needed[:3] == ["matplotlib>=3.10,<4", "numpy>=2", "attrs>=24"]
    with (SCRIPTS.parent / "pyproject.toml").open("rb") as file:
        assert env._groups() == tomllib.load(file)["dependency-groups"]


def test_nobody_gets_what_only_developers_need_by_an_extra() -> None:
    with (SCRIPTS.parent / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    assert set(project["optional-dependencies"]) == {"cli", "demo", "embedded", "metrics", "top"}
    needed = {re.split(r"[\[<>=]", each)[0] for each in project["dependencies"]}
    assert needed == {"dill", "msgspec", "multiprocess", "psycopg"}
    assert "Operating System :: POSIX :: Linux" in project["classifiers"]
