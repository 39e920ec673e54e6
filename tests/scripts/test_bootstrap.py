import subprocess
import sys
from pathlib import Path

import bootstrap
import pytest


@pytest.fixture
def sandbox(tmp_path, monkeypatch):
    """The bootstrap in an empty folder, with commands recorded instead of run."""
    run, check = tmp_path / "requirements.txt", tmp_path / "requirements-check.txt"
    run.write_text("av\n")
    check.write_text("pytest\n")
    venv = tmp_path / ".venv"
    for name, value in {
        "ROOT": tmp_path,
        "VENV": venv,
        "STAMP": venv / "requirements.json",
        "RUN": run,
        "CHECK": check,
    }.items():
        monkeypatch.setattr(bootstrap, name, value)
    done = []

    def record(command, **options):
        done.append([str(part) for part in command])
        if "venv" in command:
            python = bootstrap._python()
            python.parent.mkdir(parents=True)
            python.touch()
        return subprocess.CompletedProcess(command, 0, stderr="")

    monkeypatch.setattr(subprocess, "run", record)
    monkeypatch.setattr(subprocess, "call", lambda *a, **k: record(*a, **k).returncode)
    return done


def installed(commands):
    return [command[-1] for command in commands if "install" in command]


def test_first_time_torch_comes_first_and_exact(sandbox):
    bootstrap.environment()
    assert installed(sandbox)[0] == "torch==2.13.0"
    assert Path(installed(sandbox)[1]).name == "requirements.txt"
    assert len(installed(sandbox)) == 2


def test_second_time_nothing_is_done(sandbox):
    first = bootstrap.environment()
    sandbox.clear()
    assert bootstrap.environment() == first
    assert sandbox == []


def test_only_what_is_missing_is_added(sandbox):
    bootstrap.environment()
    sandbox.clear()
    bootstrap.environment(check=True)
    assert [Path(one).name for one in installed(sandbox)] == ["requirements-check.txt"]
    assert not [one for one in sandbox if "venv" in one]


def test_a_changed_list_is_installed_again(sandbox):
    bootstrap.environment()
    sandbox.clear()
    bootstrap.RUN.write_text("av\nscipy\n")
    bootstrap.environment()
    assert Path(installed(sandbox)[-1]).name == "requirements.txt"


def test_old_python_is_answered(sandbox, monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 9, 1))
    with pytest.raises(bootstrap.BootstrapError, match=r"Python 3\.9\.1\. Use Python 3\.10 or"):
        bootstrap.environment()


def test_failing_pip_is_answered_and_tried_again(sandbox, monkeypatch):
    def fail(command, **options):
        return subprocess.CompletedProcess(command, 1, stderr="x\nERROR: no route to host\n")

    monkeypatch.setattr(subprocess, "run", fail)
    for _ in range(2):
        with pytest.raises(bootstrap.BootstrapError, match=r"network .* ERROR: no route to host"):
            bootstrap.environment()
    assert not bootstrap.STAMP.exists()


def test_python_without_ensurepip_and_pip_is_answered(sandbox, monkeypatch):
    monkeypatch.setattr(bootstrap.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(bootstrap.BootstrapError, match="neither ensurepip nor pip"):
        bootstrap.environment()


def test_bootstrap_needs_the_standard_library_alone():
    """Every script can be imported by a Python that has nothing installed."""
    code = "import sys; sys.path.insert(0, sys.argv[1]); import bootstrap, talk, demo, check"
    scripts = str(Path(bootstrap.__file__).parent)
    subprocess.run([sys.executable, "-I", "-S", "-c", code, scripts], check=True)
