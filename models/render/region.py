"""Where the renderer may change a motion frame: soft spots over mouth and eyes, nothing elsewhere.

Shapes: F frames, K landmarks, H W px.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ..landmarks import EYES, LOWER_LIP, MOUTH_CORNERS, UPPER_LIP
from .spatial import Box

MOUTH = (*MOUTH_CORNERS, *UPPER_LIP[-1], *LOWER_LIP[-1])
OUTER_EYE_CORNERS = (33, 263)
# In distances between the outer corners of the eyes: how far a spot reaches beyond lips and lids,
# and how wide its soft edge is, which lies within that.
MOUTH_ROOM, EYE_ROOM, EDGE = 0.16, 0.12, 0.10
PARTS = ("mouth", "eyes")
AROUND = 1.5  # of a spot's reach, seen by the network around lips and lids
SIDES = 4  # latent px, of which a box's sides are multiples


def refine_region(
    landmarks: Tensor, height: int, width: int, parts: Sequence[str] = PARTS
) -> Tensor:
    """How much of a refined frame is taken at each pixel; exactly 0 outside of the spots.

    Args:
        landmarks: [F, K, 2 or 3] px of the frames, at least the 468 of the face's mesh. Those of
            motion frames are the first vertices of their mesh.
        height: H.
        width: W.
        parts: Which spots, of "mouth" and "eyes".

    Returns:
        [F, H, W] 0..1: 1 over lips and lids, falling to 0 around them.

    Raises:
        ValueError: A part of another name.
    """
    unknown = sorted(set(parts) - set(PARTS))
    if unknown:
        raise ValueError(f"'parts' names {', '.join(unknown)}. Use {' or '.join(PARTS)}.")
    points = landmarks[..., :2]
    first, second = OUTER_EYE_CORNERS
    unit = (points[:, first] - points[:, second]).norm(dim=1)  # [F]
    loops: list[tuple[Sequence[int], tuple[int, int], float]] = []
    if "mouth" in parts:
        loops.append((MOUTH, MOUTH_CORNERS, MOUTH_ROOM))
    if "eyes" in parts:
        loops += [(eye.loop, (eye.upper[-1], eye.upper[0]), EYE_ROOM) for eye in EYES]
    out = points.new_zeros(len(points), height, width)
    for loop, corners, room in loops:
        along = points[:, corners[1]] - points[:, corners[0]]
        spot = _spot(points[:, list(loop)], along, unit * room, unit * EDGE, height, width)
        out = torch.maximum(out, spot)
    return out


def refine_boxes(
    landmarks: Tensor, height: int, width: int, cell: int, parts: Sequence[str] = PARTS
) -> list[Box]:
    """Boxes that hold the spots of all of a clip's frames: one of the mouth, one of both eyes.

    Args:
        landmarks: [F, K, 2 or 3] px, as for `refine_region`.
        height: H.
        width: W.
        cell: px of a latent pixel.
        parts: Which spots.

    Returns:
        In latent px, sides multiples of 4 where the picture has room; none without parts.
    """
    points = landmarks[..., :2]
    first, second = OUTER_EYE_CORNERS
    unit = float((points[:, first] - points[:, second]).norm(dim=1).max())
    eyes = [k for eye in EYES for k in eye.loop]
    boxes = []
    for part, loop, room in (("mouth", list(MOUTH), MOUTH_ROOM), ("eyes", eyes, EYE_ROOM)):
        if part not in parts:
            continue
        low = (points[:, loop].amin((0, 1)) - AROUND * room * unit) / cell
        high = (points[:, loop].amax((0, 1)) + AROUND * room * unit) / cell
        sides = []
        for a, b, size in zip(low.tolist(), high.tolist(), (width, height), strict=True):
            whole = size // cell
            side = min(-(-math.ceil(b - a) // SIDES) * SIDES, whole)
            start = min(max(math.floor((a + b - side) / 2), 0), whole - side)
            sides.append((start, start + side))
        (left, right), (top, bottom) = sides
        boxes.append(Box(top=top, left=left, bottom=bottom, right=right))
    return boxes


def _spot(
    loop: Tensor, along: Tensor, room: Tensor, edge: Tensor, height: int, width: int
) -> Tensor:
    """A soft ellipse [F, H, W] around points [F, P, 2], its long axis along [F, 2]."""
    across = along / along.norm(dim=1, keepdim=True).clamp(min=1e-6)
    axes = torch.stack((across, across.flip(1) * across.new_tensor([-1.0, 1.0])), 1)  # [F, 2, 2]
    turned = loop @ axes.mT
    low, high = turned.amin(1), turned.amax(1)  # [F, 2]
    middle, half = (low + high) / 2, (high - low) / 2 + room[:, None]
    y = torch.arange(height, device=loop.device, dtype=loop.dtype) + 0.5
    x = torch.arange(width, device=loop.device, dtype=loop.dtype) + 0.5
    places = torch.stack((x.expand(height, -1), y[:, None].expand(-1, width)), -1)  # [H, W, 2]
    away = places @ axes.mT[:, None] - middle[:, None, None]
    radius = (away / half[:, None, None]).norm(dim=-1)  # 1 on the ellipse
    inside = (1 - radius) * half.amin(1)[:, None, None]  # about px to its rim
    share = (inside / edge[:, None, None]).clamp(0, 1)
    out: Tensor = share * share * (3 - 2 * share)
    return out
