"""All checks: `python scripts/check.py` needs Python 3.10 or later and nothing else.

Runs the linter, the formatter's check, the type checker and the tests, each even when one before
it failed. Exit status 0 when all pass.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bootstrap import ROOT, BootstrapError, environment


@contextmanager
def importable_copy() -> Iterator[Path]:
    """A folder that holds the pack under the name `synchrorama`.

    mypy refuses a package in a folder whose name is no identifier, so it looks through a link;
    where links are not allowed (Windows without the right) it looks at a copy.
    """
    with tempfile.TemporaryDirectory() as folder:
        link = Path(folder) / "synchrorama"
        try:
            link.symlink_to(ROOT, target_is_directory=True)
        except OSError:
            link.mkdir()
            shutil.copy(ROOT / "__init__.py", link)
            for part in ("models", "nodes"):
                skip = shutil.ignore_patterns("weights", "__pycache__")
                shutil.copytree(ROOT / part, link / part, ignore=skip)
        yield Path(folder)
        if link.is_symlink():
            link.unlink()


def main() -> int:
    """Run the checks; 0 when all pass, 2 when the environment cannot be made."""
    try:
        python = environment(check=True)
    except BootstrapError as error:
        print(error, file=sys.stderr)
        return 2
    failed = []
    with importable_copy() as folder:
        steps = {
            "ruff check": ["ruff", "check", "."],
            "ruff format": ["ruff", "format", "--check", "."],
            "mypy": ["mypy", "-p", "synchrorama.models", "-p", "synchrorama.nodes"],
            "pytest": ["pytest", *sys.argv[1:]],
        }
        for name, command in steps.items():
            print(f"== {name}", flush=True)
            start = time.monotonic()
            variables = {**os.environ, "MYPYPATH": str(folder)}
            if subprocess.call([python, "-m", *command], cwd=ROOT, env=variables):
                failed.append(name)
            print(f"   {time.monotonic() - start:.0f} s", flush=True)
    print(f"Failed: {', '.join(failed)}." if failed else "All checks passed.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
