"""The 8 classes as points of valence and arousal, and back.

Shapes: T video frames; leading dimensions may be more. Valence runs from -1, unpleasant, to 1,
pleasant; arousal from -1, calm, to 1, excited.

Source: mean ratings of pleasure and arousal of "angry", "disgusted", "fearful", "joyful", "sad",
"surprised" and "contemptuous" in table 4 of J. A. Russell and A. Mehrabian, "Evidence for a
three-factor theory of emotions", Journal of Research in Personality 11, 1977, read from public
transcriptions of that table and not from the print. Neutral is the origin. The plane is that
of J. A. Russell, "A circumplex model of affect", Journal of Personality and Social Psychology 39,
1980.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..types import EMOTIONS

# Valence and arousal in the order of EMOTIONS.
CLASS_POINTS: tuple[tuple[float, float], ...] = (
    (-0.51, 0.59),  # angry
    (-0.60, 0.35),  # disgusted
    (-0.64, 0.60),  # fearful
    (0.76, 0.48),  # happy
    (0.00, 0.00),  # neutral
    (-0.63, -0.27),  # sad
    (0.40, 0.67),  # surprised
    (-0.24, 0.31),  # contemptuous
)

SPREAD = 0.25  # standard deviation of each class around its point, in units of the plane


def class_points(like: Tensor) -> Tensor:
    """`CLASS_POINTS` as a tensor [8, 2] of the dtype and device of another."""
    return torch.tensor(CLASS_POINTS, dtype=like.dtype, device=like.device)


def to_valence_arousal(scores: Tensor) -> Tensor:
    """The mean point of a mixture of classes, [..., T, 2] -1..1.

    Args:
        scores: [..., T, 8] in the order of EMOTIONS, each row sums to 1.
    """
    return scores @ class_points(scores)


def to_scores(valence_arousal: Tensor) -> Tensor:
    """How well each class fits a point, [..., T, 8], each row sums to 1.

    Anger and fear lie close together, so a point there is shared between them; contempt is never
    read from a point and stays 0.

    Args:
        valence_arousal: [..., T, 2] -1..1.
    """
    away = valence_arousal.unsqueeze(-2) - class_points(valence_arousal)  # [..., T, 8, 2]
    fit = -away.square().sum(-1) / (2.0 * SPREAD**2)  # [..., T, 8]
    contempt = torch.arange(len(EMOTIONS), device=fit.device) == EMOTIONS.index("contemptuous")
    return fit.masked_fill(contempt, -torch.inf).softmax(-1)
