"""478 landmarks of one face in a square, upright crop.

Shapes: B crops.

Source: Kartynnik et al., "Real-time Facial Surface Geometry from Monocular Video on Mobile GPUs"
(arXiv 1907.06724), with the irises of Grishchenko et al. (arXiv 2006.10962); weights from Google's
Face Landmarker (Apache-2.0).
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from ..types import LANDMARKS

SIZE = 256  # px, side of the crop
_WIDTHS = (16, 32, 64, 128, 128, 128, 128)
_BLOCKS = 4  # of equal width in each stage


class _Bottleneck(nn.Module):
    """Squeeze, depthwise, widen, beside a shortcut; optionally halves the picture first."""

    def __init__(self, channels_in: int, channels_out: int, halving: bool = False) -> None:
        super().__init__()
        middle = min(channels_in, channels_out // 2)
        self.halving = halving
        self.widened = channels_out - channels_in
        self.squeeze = nn.Conv2d(channels_in, middle, *((2, 2) if halving else (1, 1)))
        self.squeeze_slope = nn.PReLU(middle)
        self.depthwise = nn.Conv2d(middle, middle, 3, padding=1, groups=middle)
        self.widen = nn.Conv2d(middle, channels_out, 1)
        self.slope = nn.PReLU(channels_out)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = F.max_pool2d(x, 2) if self.halving else x
        if self.widened:
            shortcut = F.pad(shortcut, (0, 0, 0, 0, 0, self.widened))
        x = self.depthwise(self.squeeze_slope(self.squeeze(x)))
        out: Tensor = self.slope(shortcut + self.widen(x))
        return out


class FaceMesh(nn.Module):
    """Landmarks and the certainty that there is a face at all."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, _WIDTHS[0], 3, 2)
        self.stem_slope = nn.PReLU(_WIDTHS[0])
        blocks = [_Bottleneck(_WIDTHS[0], _WIDTHS[0]) for _ in range(_BLOCKS)]
        for before, width in zip(_WIDTHS[:-1], _WIDTHS[1:], strict=True):
            blocks.append(_Bottleneck(before, width, halving=True))
            blocks.extend(_Bottleneck(width, width) for _ in range(_BLOCKS))
        self.blocks = nn.Sequential(*blocks)
        self.presence = nn.Conv2d(_WIDTHS[-1], 1, 2)
        self.points = nn.Conv2d(_WIDTHS[-1], LANDMARKS * 3, 2)

    def forward(self, crop: Tensor) -> tuple[Tensor, Tensor]:
        """Landmarks [B, 478, 3] in crop px (z on the same scale) and presence [B] 0..1.

        Args:
            crop: [B, 3, 256, 256] 0..1, eyes level, the face's box two thirds of the side.
        """
        x = self.stem_slope(self.stem(F.pad(crop, (0, 1, 0, 1))))  # "same" padding as trained
        x = self.blocks(x)  # [B, 128, 2, 2]
        points = self.points(x).reshape(-1, LANDMARKS, 3)
        return points, self.presence(x).flatten().sigmoid()
