"""Every check of the vocabulary answers with its sentence."""

import math

import pytest
import torch
from synchrorama.models.types import (
    ARKIT_INDEX,
    ARKIT_NAMES,
    EMOTIONS,
    Emotion,
    Face,
    FittedHead,
    Motion,
    Portrait,
)

FIELDS = {
    Face: {
        "box": torch.zeros(4),
        "score": 1.0,
        "landmarks": torch.zeros(478, 3),
        "coefficients": torch.zeros(52),
    },
    FittedHead: {
        "identity": torch.zeros(80),
        "expression": torch.zeros(52),
        "rotation": torch.eye(3),
        "scale": 1.0,
        "translation": torch.zeros(2),
        "error": 0.0,
    },
    Emotion: {
        "scores": torch.full((5, 8), 0.125),
        "valence_arousal": torch.zeros(5, 2),
        "confidence": torch.ones(5),
        "embedding": torch.zeros(5, 256),
        "fps": 25.0,
    },
    Motion: {
        "coefficients": torch.zeros(5, 52),
        "head_rotation": torch.zeros(5, 3),
        "head_translation": torch.zeros(5, 3),
        "fps": 25.0,
    },
}
FIELDS[Portrait] = {
    "image": torch.zeros(7, 7, 3),
    "landmarks": torch.zeros(478, 3),
    "head": FittedHead(**FIELDS[FittedHead]),
    "source": torch.zeros(9, 8, 3),
    "to_source": torch.zeros(2, 3),
}


def test_names_are_arkits():
    assert len(ARKIT_NAMES) == len(set(ARKIT_NAMES)) == 52
    assert (ARKIT_NAMES[0], ARKIT_NAMES[17], ARKIT_NAMES[51]) == (
        "eyeBlinkLeft",
        "jawOpen",
        "tongueOut",
    )
    assert all(ARKIT_NAMES[index] == name for name, index in ARKIT_INDEX.items())
    assert len(set(EMOTIONS)) == 8


@pytest.mark.parametrize("kind", FIELDS, ids=lambda kind: kind.__name__)
def test_right_shapes_are_taken(kind):
    kind(**FIELDS[kind])


@pytest.mark.parametrize(
    ("kind", "field", "shape", "needed"),
    [
        (Face, "box", [2, 2], "[4]"),
        (Face, "landmarks", [468, 3], "[478, 3]"),
        (Face, "coefficients", [51], "[52]"),
        (FittedHead, "identity", [1, 80], "[any]"),
        (FittedHead, "expression", [52, 1], "[52]"),
        (FittedHead, "rotation", [3], "[3, 3]"),
        (FittedHead, "translation", [3], "[2]"),
        (Portrait, "image", [3, 7, 8], "[any, any, 3]"),
        (Portrait, "image", [1, 7, 7, 3], "[any, any, 3]"),
        (Portrait, "landmarks", [478, 2], "[478, 3]"),
        (Portrait, "source", [9, 8, 4], "[any, any, 3]"),
        (Portrait, "to_source", [3, 3], "[2, 3]"),
        (Emotion, "scores", [5, 7], "[any, 8]"),
        (Emotion, "scores", [], "[any, 8]"),
        (Emotion, "valence_arousal", [4, 2], "[5, 2]"),
        (Emotion, "confidence", [5, 1], "[5]"),
        (Emotion, "embedding", [5, 128], "[5, 256]"),
        (Motion, "coefficients", [5, 51], "[any, 52]"),
        (Motion, "coefficients", [], "[any, 52]"),
        (Motion, "head_rotation", [4, 3], "[5, 3]"),
        (Motion, "head_translation", [5, 2], "[5, 3]"),
    ],
)
def test_wrong_shapes_are_named(kind, field, shape, needed):
    with pytest.raises(ValueError) as caught:
        kind(**{**FIELDS[kind], field: torch.zeros(shape)})
    assert str(caught.value) == f"{kind.__name__}.{field} has shape {shape}, needed is {needed}."


@pytest.mark.parametrize("kind", [Motion, Emotion])
def test_fps_has_a_range(kind):
    for fps in (8.0, 23.976, 60.0):
        assert kind(**{**FIELDS[kind], "fps": fps}).fps == fps
    for fps in (0.0, 7.99, 60.1, 1000.0, -25.0, math.nan, math.inf):
        with pytest.raises(ValueError, match=rf"^{kind.__name__}\.fps is .*from 8 to 60\.$"):
            kind(**{**FIELDS[kind], "fps": fps})


def test_motion_counts_its_frames():
    assert Motion(**FIELDS[Motion]).frames == 5
