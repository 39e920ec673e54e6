"""Whether a picture is put together from several.

Shapes: H W px.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from .photo_light import brightness

SIDE = 256  # px of the longer side of the reduced picture
STEP = 0.05  # of the pixel values' range, across a seam
WHOLE = 0.97  # of a row or column that must be such a step
EDGE = 0.04  # of the picture at its edges, where frames and bars lie


def panels(picture: Tensor) -> bool:
    """Whether a straight seam runs through the whole picture, as in a collage.

    Args:
        picture: [H, W, 3] 0..1.
    """
    height, width = picture.shape[:2]
    scale = min(1.0, SIDE / max(height, width))
    size = (max(8, round(height * scale)), max(8, round(width * scale)))
    luma = F.interpolate(brightness(picture)[None, None], size, mode="area")[0, 0]
    return any(_seam(one) for one in (luma, luma.T))


def _seam(luma: Tensor) -> bool:
    """Whether one of the columns of [h, w] is a seam, or an empty band between two pictures."""
    skip = max(2, round(EDGE * luma.shape[1]))
    step = (luma[:, 2:] - luma[:, :-2]).abs() > STEP
    share = step.double().mean(0)[skip:-skip]
    return bool((share > WHOLE).any())
