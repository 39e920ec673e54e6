"""What the picture benchmarks share: the models, the default portrait, JSON results.

Importing this makes the pack importable as `synchrorama`.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))
from bootstrap import alias_pack  # noqa: E402

alias_pack()
from synchrorama.models.head import HeadModel  # noqa: E402
from synchrorama.models.media import read_image  # noqa: E402
from synchrorama.models.portrait.landmarker import FaceLandmarker  # noqa: E402
from synchrorama.models.portrait.prepare import prepare_portrait  # noqa: E402
from synchrorama.models.types import ARKIT_INDEX, Portrait  # noqa: E402

SAMPLE_PORTRAIT = ROOT / "workflows" / "sample_portrait.png"
SAMPLE_SPEECH = ROOT / "workflows" / "sample_speech.wav"
RESULTS = ROOT / "benchmarks" / "results"
FRONTAL_DEG = 20.0  # a photo turned less is frontal


class Studio:
    """The landmarker and the head, loaded once."""

    def __init__(self) -> None:
        self.landmarker = FaceLandmarker.from_checkpoint()
        self.head = HeadModel.from_checkpoint()

    def portrait(self, path: Path) -> Portrait:
        """The largest face of a picture file, ready to be animated."""
        return prepare_portrait(read_image(path), landmarker=self.landmarker, head=self.head)


def indices(name: str) -> list[int]:
    """Where a coefficient stands among the 52: one place, or the left and the right one."""
    if name in ARKIT_INDEX:
        return [ARKIT_INDEX[name]]
    return [ARKIT_INDEX[f"{name}{side}"] for side in ("Left", "Right")]


def machine() -> dict[str, Any]:
    """What the figures were measured on, and how busy it was."""
    return {
        "torch": torch.__version__,
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load_1_min": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
    }


def write_result(path: Path, result: dict[str, Any]) -> None:
    """Write a result as JSON, a line for each row of its tables."""
    parts = []
    for key, value in result.items():
        if isinstance(value, list):
            text = "[\n  " + ",\n  ".join(json.dumps(row) for row in value) + "]"
        else:
            text = json.dumps(value)
        parts.append(f" {json.dumps(key)}: {text}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")
