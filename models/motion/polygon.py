"""Soft-edged polygons.

Shapes: B frames, P corners, H W pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor


def signed_distance(loop: Tensor, left: int, top: int, width: int, height: int) -> Tensor:
    """Distance in px of each pixel centre to a closed polygon, positive inside: [B, H, W].

    Args:
        loop: [B, P, 2] px, the polygon's corners in order.
        left: First column of the window.
        top: First row.
        width: W of the window.
        height: H.
    """
    x = left + torch.arange(width, device=loop.device, dtype=loop.dtype) + 0.5
    y = top + torch.arange(height, device=loop.device, dtype=loop.dtype) + 0.5
    px = x.expand(height, -1).reshape(1, -1)  # [1, H·W]
    py = y[:, None].expand(-1, width).reshape(1, -1)
    nearest = torch.full((len(loop), height * width), torch.inf, device=loop.device)
    inside = torch.zeros_like(nearest, dtype=torch.bool)
    ends = loop.roll(-1, 1)
    for corner in range(loop.shape[1]):
        ax, ay = loop[:, corner, :1], loop[:, corner, 1:]  # [B, 1]
        ex, ey = ends[:, corner, :1] - ax, ends[:, corner, 1:] - ay
        dx, dy = px - ax, py - ay
        t = ((dx * ex + dy * ey) / (ex * ex + ey * ey).clamp(min=1e-9)).clamp(0, 1)
        nearest = torch.minimum(nearest, (dx - t * ex).square() + (dy - t * ey).square())
        crosses = (dy < 0) != (py - ay - ey < 0)
        inside ^= crosses & ((dx * ey - dy * ex < 0) == (ey > 0))
    distance = nearest.sqrt()
    return torch.where(inside, distance, -distance).view(-1, height, width)


def window(loops: Tensor, margin: int, size: int) -> tuple[int, int, int, int]:
    """Left, top, width and height of the pixels around polygons [..., 2], within the picture."""
    points = loops.reshape(-1, 2)
    low = (points.amin(0).floor().long() - margin).clamp(0, size - 1)
    high = (points.amax(0).ceil().long() + margin).clamp(1, size)
    left, top = int(low[0]), int(low[1])
    return left, top, max(int(high[0]) - left, 1), max(int(high[1]) - top, 1)


def smooth_loop(loop: Tensor, steps: int = 2) -> Tensor:
    """A closed polygon [B, P, 2] through the same corners with rounded sides: [B, P·steps, 2].

    Catmull–Rom, so corners stay where they are.
    """
    p0, p1, p2, p3 = loop.roll(1, 1), loop, loop.roll(-1, 1), loop.roll(-2, 1)
    pieces = []
    for step in range(steps):
        t = step / steps
        pieces.append(
            0.5
            * (
                2 * p1
                + (p2 - p0) * t
                + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2
                + (3 * p1 - p0 - 3 * p2 + p3) * t**3
            )
        )
    return torch.stack(pieces, 2).flatten(1, 2)
