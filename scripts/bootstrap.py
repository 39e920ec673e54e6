"""An environment of the repository's own, made by the standard library alone.

`environment()` returns the Python of `.venv`, which it makes and fills the first time; a hash of
the requirement lists tells it the second time that there is nothing to do. Works on Linux, macOS
and Windows.
"""

from __future__ import annotations

import hashlib
import importlib.machinery
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / "requirements.json"
OLDEST = (3, 10)
TORCH = "torch==2.13.0"  # first and exact: another version may bring gigabytes of GPU libraries
RUN = ROOT / "requirements.txt"
CHECK = ROOT / "scripts" / "requirements-check.txt"


class BootstrapError(RuntimeError):
    """The environment cannot be made; the message is a sentence for the user."""


def environment(*, check: bool = False) -> str:
    """Path of the environment's Python, with everything installed that is asked for.

    Args:
        check: Also install what check.py needs.

    Raises:
        BootstrapError: Python is too old, or an installation failed.
    """
    if sys.version_info < OLDEST:
        have = ".".join(map(str, sys.version_info[:3]))
        raise BootstrapError(f"This is Python {have}. Use Python 3.10 or later.")
    lists = [RUN, CHECK] if check else [RUN]
    done = _stamp()
    missing = [path for path in lists if done.get(path.name) != _hash(path)]
    if not missing:
        return str(_python())
    start = time.monotonic()
    pip = _make_environment()
    if RUN in missing:
        print(f"Installing {TORCH} (about 200 MB) ...", flush=True)
        _install(pip, [TORCH])
    for path in missing:
        print(f"Installing {path.relative_to(ROOT).as_posix()} ...", flush=True)
        _install(pip, [TORCH, "-r", str(path)])
        done[path.name] = _hash(path)
    STAMP.write_text(json.dumps(done))
    print(f"Environment ready in {time.monotonic() - start:.0f} s.", flush=True)
    return str(_python())


def run(script: str, arguments: Sequence[str] = (), *, check: bool = False) -> int:
    """Exit status of one of the repository's scripts, run in the environment.

    Args:
        script: File name in scripts/.
        arguments: Its command line.
        check: Also install what check.py needs.
    """
    python = environment(check=check)
    return subprocess.call([python, str(ROOT / "scripts" / script), *arguments])


def alias_pack() -> None:
    """Make the pack importable as `synchrorama`, whatever its folder is called."""
    spec = importlib.machinery.ModuleSpec("synchrorama", loader=None, is_package=True)
    spec.submodule_search_locations = [str(ROOT)]
    sys.modules.setdefault("synchrorama", importlib.util.module_from_spec(spec))


def _python() -> Path:
    return VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _hash(path: Path) -> str:
    text = f"{TORCH} {sys.version_info[:2]} {path.read_text(encoding='utf-8')}"
    return hashlib.sha256(text.encode()).hexdigest()


def _stamp() -> dict[str, str]:
    if not _python().exists() or not STAMP.exists():
        return {}
    return dict(json.loads(STAMP.read_text()))


def _make_environment() -> list[str]:
    """The pip command line of an environment, which is made unless it is there and answers."""
    pip = [str(_python()), "-m", "pip"]
    if _python().exists() and _answers([*pip, "--version"]):
        return pip
    print(f"Making an environment in {VENV.name} ...", flush=True)
    shutil.rmtree(VENV, ignore_errors=True)
    if importlib.util.find_spec("ensurepip"):
        command, pip_command = [sys.executable, "-m", "venv", str(VENV)], pip
    elif importlib.util.find_spec("pip"):  # Debian's python3 without python3-venv
        command = [sys.executable, "-m", "venv", "--without-pip", str(VENV)]
        pip_command = [sys.executable, "-m", "pip", "--python", str(_python())]
    else:
        raise BootstrapError(
            f"{sys.executable} has neither ensurepip nor pip. Install your system's package "
            "python3-venv, or use Python from python.org."
        )
    if subprocess.call(command):
        raise BootstrapError(
            f"No environment could be made in '{VENV}'. Check that the folder can be written to."
        )
    return pip_command


def _answers(command: list[str]) -> bool:
    quiet = subprocess.DEVNULL
    try:
        return subprocess.call(command, stdout=quiet, stderr=quiet) == 0
    except OSError:
        return False


def _install(pip: list[str], what: list[str]) -> None:
    quiet = ["--quiet", "--disable-pip-version-check", "--no-warn-script-location"]
    done = subprocess.run([*pip, "install", *quiet, *what], stderr=subprocess.PIPE, text=True)
    if done.returncode:
        reason = [line for line in done.stderr.splitlines() if line.startswith("ERROR")][-3:]
        raise BootstrapError(
            f"pip could not install {' '.join(what)}. Check the network connection and the free "
            f"disk space (2 GB), then run this again. pip says: {' '.join(reason) or done.stderr}"
        )
