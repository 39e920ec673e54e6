"""Similarities on the picture.

Shapes: B frames, P points, h w px of a window.
"""

from __future__ import annotations

import torch
from torch import Tensor


def similarity(moved: Tensor, home: Tensor) -> Tensor:
    """Affines [B, 2, 3] that carry points moved [B, P, 2] px back to home [P, 2] px best.

    A turn, a growth and a shift on the picture, as a rigid part of the head makes them.
    """
    centre, middle = moved.mean(1), home.mean(0)
    a, b = moved - centre[:, None], home - middle
    norm = a.square().sum((1, 2)).clamp(min=1e-6)
    real = (a * b).sum((1, 2)) / norm
    imaginary = (a[..., 0] * b[:, 1] - a[..., 1] * b[:, 0]).sum(1) / norm
    turn = torch.stack(
        (torch.stack((real, -imaginary), -1), torch.stack((imaginary, real), -1)), 1
    )  # [B, 2, 2]
    shift = middle - torch.einsum("bij,bj->bi", turn, centre)
    return torch.cat((turn, shift[..., None]), 2)


def through(affines: Tensor, left: int, top: int, width: int, height: int) -> Tensor:
    """A window's pixel centres under affines [B, 2, 3]: [B, h, w, 2] px."""
    x = left + torch.arange(width, device=affines.device, dtype=affines.dtype) + 0.5
    y = top + torch.arange(height, device=affines.device, dtype=affines.dtype) + 0.5
    grid = torch.stack((x.expand(height, -1), y[:, None].expand(-1, width)), -1)
    return torch.einsum("bij,hwj->bhwi", affines[:, :, :2], grid) + affines[:, None, None, :, 2]
