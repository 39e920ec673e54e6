"""Rings around the face, over hair, neck and background: from moving with the head to stillness.

Shapes: S surface vertices, R ring vertices, C = 52 coefficients.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..landmarks import OVAL
from ..types import Portrait

# Rings: distance from the face's middle as a multiple of the oval's, how much of the head's turn
# and how much of the outline's expression they follow.
RINGS = (
    (1.06, 1.00, 0.75),
    (1.14, 0.98, 0.45),
    (1.25, 0.92, 0.20),
    (1.40, 0.78, 0.05),
    (1.60, 0.52, 0.00),
    (1.85, 0.25, 0.00),
    (2.15, 0.08, 0.00),
    (2.60, 0.00, 0.00),
)
BORDER = 0.12  # of the crop's side, where the turn fades


def outline_of(parents: Tensor) -> list[int]:
    """Surface vertices along the face's oval, each landmark followed by its edge's middle."""
    pairs = {tuple(sorted(p)): k for k, p in enumerate(parents.tolist()) if p[0] != p[1]}
    loop: list[int] = []
    for a, b in zip(OVAL, (*OVAL[1:], OVAL[0]), strict=True):
        loop += [a, pairs[min(a, b), max(a, b)]]
    return loop


def room_around(portrait: Portrait) -> Tensor:
    """Whether the picture goes on beyond the crop: [4] left, top, right, bottom.

    There the crop's border must hold still; at the picture's own border nothing is to be met.
    """
    height, width = portrait.source.shape[:2]
    size = float(portrait.image.shape[0])
    corners = torch.tensor([[0.0, size], [0.0, size], [1.0, 1.0]])
    (left, right), (top, bottom) = (portrait.to_source @ corners).tolist()
    return torch.tensor([left > 0.5, top > 0.5, right < width - 0.5, bottom < height - 0.5])


def rings_around(
    surface: Tensor, moves: Tensor, outline: list[int], size: int, room: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Ring vertices [R, 2], their moves [C, R, 3], their share of the turn [R], triangles."""
    loop = surface[outline, :2]
    middle = loop.mean(0)
    count = len(outline)
    points, ring_moves, turn, triangles = [], [], [], []
    inner = torch.tensor(outline)
    for number, (radius, turning, following) in enumerate(RINGS):
        flat = middle + radius * (loop - middle)
        points.append(flat)
        ring_moves.append(moves[:, outline] * following)
        away = torch.cat((flat, size - flat), 1)  # px from the left, top, right and bottom
        border = torch.where(room, away / (BORDER * size), 1.0).amin(1)
        turn.append(turning * _smooth(border))
        outer = len(surface) + number * count + torch.arange(count)
        triangles.append(torch.stack((inner, outer, inner.roll(-1)), 1))
        triangles.append(torch.stack((inner.roll(-1), outer, outer.roll(-1)), 1))
        inner = outer
    return torch.cat(points), torch.cat(ring_moves, 1), torch.cat(turn), torch.cat(triangles)


def _smooth(x: Tensor) -> Tensor:
    x = x.clamp(0, 1)
    return x * x * (3 - 2 * x)
