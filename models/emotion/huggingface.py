"""What the emotion models of Hugging Face folders have in common: their labels.

Shapes: N labels of a folder, 8 classes in the order of EMOTIONS.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..checkpoint import CheckpointError
from ..types import EMOTIONS

# What published folders call the classes. GoEmotions' fine labels are grouped as in its paper.
SYNONYMS: dict[str, tuple[str, ...]] = {
    "angry": ("anger", "ang", "annoyance", "disapproval", "frustrated", "frustration", "rage"),
    "disgusted": ("disgust", "dis"),
    "fearful": ("fear", "fea", "nervousness", "anxiety", "scared"),
    "happy": (
        "happiness", "hap", "joy", "joyful", "admiration", "amusement", "approval", "caring",
        "desire", "excitement", "excited", "exc", "gratitude", "love", "optimism", "pride",
        "relief",
    ),
    "neutral": ("neu", "calm", "boredom", "bored", "others"),
    "sad": ("sadness", "disappointment", "embarrassment", "grief", "remorse"),
    "surprised": (
        "surprise", "sur", "pleasant surprise", "ps", "confusion", "curiosity", "realization",
    ),
    "contemptuous": ("contempt", "con"),
}  # fmt: skip


def labels(config: dict[str, Any]) -> list[str]:
    """The folder's labels in the order of its outputs; LABEL_0 and so on where it names none."""
    named = config.get("id2label") or {}
    if not named:
        return [f"LABEL_{i}" for i in range(int(config.get("num_labels", 2)))]
    return [str(named[key]) for key in sorted(named, key=int)]


def class_map(names: list[str], folder: str) -> tuple[Tensor, tuple[str, ...]]:
    """Which class each label counts for, [N, 8] of 0 and 1, and the labels that count for none.

    Args:
        names: The folder's labels.
        folder: Its name, for the message.

    Raises:
        CheckpointError: No label, or only one class, is known.
    """
    table = torch.zeros(len(names), len(EMOTIONS))
    unknown = []
    for row, name in enumerate(names):
        plain = name.strip().lower().replace("_", " ").replace("-", " ")
        column = _column(plain)
        if column is None:
            unknown.append(name)
        else:
            table[row, column] = 1.0
    if int((table.sum(0) > 0).sum()) < 2:
        raise CheckpointError(
            f"'{folder}' tells {', '.join(names[:8])}, which are not emotions that are known here "
            f"({', '.join(EMOTIONS)}). Choose a folder with such labels in its config.json."
        )
    return table, tuple(unknown)


def _column(name: str) -> int | None:
    for index, emotion in enumerate(EMOTIONS):
        if name == emotion or name in SYNONYMS[emotion]:
            return index
    return None
