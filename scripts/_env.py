"""The environment that the scripts run in: made once, found quickly, repaired when half made.

Only the standard library, and a syntax old enough to explain itself on an old Python.
The environment is `.venv` in the checkout, or one of the user's own below the cache
directory where the checkout belongs to somebody else. What it was made from is written into
it when it is complete; anything else there means that it must be made or completed.
"""

from __future__ import annotations

import ast
import contextlib
import fcntl
import hashlib
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONSTRAINTS = ROOT / "scripts" / "constraints.txt"
OLDEST = (3, 11)
NEWEST_MINOR = 15
BUILD = ["hatchling"]


class SetUpError(Exception):
    """Say why the environment cannot be made and what would help."""


def say(text: str) -> None:
    """Tell the person at the terminal, out of the way of the script's own output."""
    print(f"actorq: {text}", file=sys.stderr, flush=True)


def run(extras: list[str], command: list[str]) -> None:
    """Become `python command…` in an environment with these extras."""
    python = ready(extras)
    # -P: a file in the current directory must not stand in for a library.
    os.execv(python, [python, "-P", *command])


def ready(extras: list[str]) -> str:
    """Return the Python of an environment with these extras; exit with a message if none can be."""
    try:
        return _ready(set(extras))
    except SetUpError as error:
        say(str(error))
    except KeyboardInterrupt:
        say("interrupted; the next start completes the set-up")
    raise SystemExit(1)


def _ready(extras: set[str]) -> str:
    for venv in (ROOT / ".venv", _own_place()):
        if _is_complete(venv, extras):
            return _python(venv)
    venv = ROOT / ".venv" if _is_ours(ROOT / ".venv") else _own_place()
    venv.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _locked(venv.with_name(venv.name + ".lock")):
        if not _is_complete(venv, extras):
            _make(venv, extras | _extras_in(venv))
    return _python(venv)


def _python(venv: Path) -> str:
    return str(venv / "bin" / "python")


def _is_ours(venv: Path) -> bool:
    """Say whether we may write here without leaving files in somebody else's environment."""
    there = venv if venv.exists() else venv.parent
    return os.access(there, os.W_OK) and (not venv.exists() or venv.stat().st_uid == os.geteuid())


def _own_place() -> Path:
    name = "venv-" + hashlib.sha256(os.fsencode(ROOT)).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"))
    if cache.is_absolute():  # else this user has no home
        with contextlib.suppress(OSError):
            (cache / "actorq").mkdir(parents=True, exist_ok=True)
            if os.access(cache / "actorq", os.W_OK):
                return cache / "actorq" / name
    return _private_temporary() / name


def _private_temporary() -> Path:
    """Return a directory that only this user can have made; code is run from it."""
    path = Path(tempfile.gettempdir()).resolve() / f"actorq-cache-{os.geteuid()}"
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o700)
    entry = path.lstat()
    if entry.st_uid != os.geteuid() or entry.st_mode & 0o077 or path.is_symlink():
        raise SetUpError(f"{path} is not a private directory of this user: remove it")
    return path


@contextlib.contextmanager
def _locked(path: Path):
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another start is setting up; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _stamp(venv: Path) -> Path:
    return venv / "actorq-set-up.json"


def _made_from(venv: Path) -> str:
    """Return a fingerprint of all that the environment depends on."""
    parts = [(ROOT / "pyproject.toml").read_bytes(), CONSTRAINTS.read_bytes()]
    parts += [os.fsencode(path) for path in (ROOT, venv, Path(_python(venv)).resolve())]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _read_stamp(venv: Path) -> dict[str, object]:
    try:
        return json.loads(_stamp(venv).read_text())
    except (OSError, ValueError):
        return {}


def _extras_in(venv: Path) -> set[str]:
    return set(_read_stamp(venv).get("extras", ()))


def _is_complete(venv: Path, extras: set[str]) -> bool:
    return (
        os.access(_python(venv), os.X_OK)
        and extras <= _extras_in(venv)
        and _read_stamp(venv).get("made_from") == _made_from(venv)
    )


def _make(venv: Path, extras: set[str]) -> None:
    uv = shutil.which("uv")
    moved = _read_stamp(venv).get("place") not in (None, str(venv))
    if moved or not _runs(_python(venv)):
        base = _find_python(bool(uv))
        say(f"making an environment in {venv} with {base}")
        _create(venv, base, uv)
    with contextlib.suppress(FileNotFoundError):
        _stamp(venv).unlink()
    say("installing actorq and what it needs; this happens once and takes about a minute")
    _install(venv, extras, uv)
    stamp = {"made_from": _made_from(venv), "place": str(venv), "extras": sorted(extras)}
    partial = _stamp(venv).with_suffix(".partial")
    partial.write_text(json.dumps(stamp))
    partial.replace(_stamp(venv))


def _runs(python: str, test: str = "pass") -> bool:
    program = f"import sys; {test}; sys.exit(sys.version_info < {OLDEST})"
    return os.access(python, os.X_OK) and _quietly([python, "-c", program]).returncode == 0


def _quietly(command: list[str]) -> subprocess.CompletedProcess:
    return subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )


def _find_python(has_uv: bool) -> str:
    """Return a Python that is new enough and, where uv does not do it, can make environments."""
    names = [f"python3.{minor}" for minor in range(NEWEST_MINOR, OLDEST[1] - 1, -1)]
    found = [sys.executable, *filter(None, map(shutil.which, ["python3", *names]))]
    # One after the other, for each that is asked costs a start: mostly the first one will do.
    new_enough = (python for python in found if _runs(python))
    first = next(new_enough, None)
    if first is None:
        raise SetUpError(
            "Python 3.11 or newer is needed, and none was found as python3 or python3.N"
            " (this is {}.{}).{}".format(*sys.version_info[:2], _advice("python3 python3-venv"))
        )
    for python in itertools.chain([first], new_enough):
        if has_uv or _runs(python, "import ensurepip, venv"):
            return python
    package = f"{Path(os.path.realpath(first)).name}-venv"
    raise SetUpError(
        f"{first} cannot make environments: its modules venv and ensurepip are"
        f" missing.{_advice(package)}"
    )


def _advice(packages: str) -> str:
    return f" On Debian and Ubuntu: sudo apt-get install {packages} (or install uv)"


def _create(venv: Path, base: str, uv: str | None) -> None:
    if venv.exists():
        shutil.rmtree(venv)
    made = uv and _quietly([uv, "venv", *_uv_options(), "--python", base, str(venv)])
    if not made or made.returncode:
        made = _quietly([base, "-m", "venv", "--clear", str(venv)])
    if made.returncode:
        raise SetUpError(f"no environment could be made in {venv}:\n{made.stdout}")


def _install(venv: Path, extras: set[str], uv: str | None) -> None:
    """Install by uv if it is there and works, else by pip; both into `venv`."""
    groups = _groups()
    names = "{}[{}]".format(ROOT, ",".join(sorted(extras - set(groups))))
    needed = [each for name in sorted(extras & set(groups)) for each in groups[name]]
    # The build backend is installed first and used from here, so that it is pinned, too.
    steps = [BUILD, ["--no-build-isolation", "-e", names, *needed]]
    if uv:
        command = [uv, "pip", "install", *_uv_options(), "--python", _python(venv)]
        said = _each(command, steps)
        if said is None:
            return
        say("uv could not install everything; trying pip")
    if not _runs(_python(venv), "import pip"):
        _quietly([_python(venv), "-m", "ensurepip"])
    said = _each([_python(venv), "-m", "pip", "install", "--no-input"], steps)
    if said is not None:
        raise SetUpError(f"the installation failed:\n{said}")


def _groups() -> dict[str, list[str]]:
    """Return what each dependency group of pyproject.toml needs.

    Arrays of texts are written alike in TOML and in Python, and this Python may know no TOML.
    """
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    table = text.partition("[dependency-groups]\n")[2].partition("\n[")[0]
    found = re.finditer(r"(?ms)^([\w-]+) = (\[.*?\])$", table)
    return {match.group(1): ast.literal_eval(match.group(2)) for match in found}


def _each(command: list[str], steps: list[list[str]]) -> str | None:
    """Run the installer once for each step; return what it said if one fails."""
    for step in steps:
        done = _quietly([*command, "-c", str(CONSTRAINTS), *step])
        if done.returncode:
            return done.stdout
    return None


def _uv_options() -> list[str]:
    """Do without uv's cache where it cannot have one; pip does so by itself."""
    home = os.environ.get("UV_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME")
    writable = os.access(home or os.path.expanduser("~"), os.W_OK)
    return [] if writable else ["--no-cache"]


def caches() -> dict[str, str]:
    """Return the environment for tools that leave caches: elsewhere in somebody else's checkout.

    Byte code is one of them: thousands of processes would otherwise compile what they import.
    """
    env = dict(os.environ)
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    if not os.access(ROOT, os.W_OK):
        place = _own_place().with_name("caches")
        for name in ("RUFF_CACHE_DIR", "MYPY_CACHE_DIR", "PYTEST_CACHE", "PYTHONPYCACHEPREFIX"):
            env[name] = str(place / name.lower())
        env["HYPOTHESIS_STORAGE_DIRECTORY"] = str(place / "hypothesis")
    return env
