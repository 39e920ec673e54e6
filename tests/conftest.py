"""Makes the pack importable as `synchrorama`, beside ComfyUI or the double of it.

COMFYUI_ROOT names a ComfyUI folder to test against; without it the double in tests/double/ stands
in for it.
"""

import os
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
sys.path[:0] = [str(TESTS.parent / "scripts"), str(TESTS / "double")]

from bootstrap import alias_pack  # noqa: E402

alias_pack()

if root := os.environ.get("COMFYUI_ROOT"):
    sys.path.insert(0, root)
    from comfy.cli_args import args

    args.cpu = True  # ComfyUI refuses to start without a GPU otherwise


@pytest.fixture
def root() -> Path:
    """The pack's folder."""
    return TESTS.parent
