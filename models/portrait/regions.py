"""Square, turned regions of a picture: where the mesh network looks.

Shapes: B pictures, N regions. A region is [4]: centre x, centre y, side in px, and the angle by
which it is turned (clockwise on the screen, radians).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

MARGIN = 1.5  # side of a region over the longer side of the face's box, as the mesh was trained
_EYE_CORNERS = (33, 263)  # landmarks: outer corner of the right and of the left eye


def halvings(pictures: Tensor, smallest: int = 256) -> list[Tensor]:
    """The pictures, and again and again at half the size, each pixel the mean of four.

    Args:
        pictures: [B, 3, H, W].
        smallest: Stop once the longer side is at most twice this, in px.
    """
    levels = [pictures]
    while max(levels[-1].shape[-2:]) > 2 * smallest and min(levels[-1].shape[-2:]) > 1:
        levels.append(F.avg_pool2d(levels[-1], 2))
    return levels


def region_of_box(box: Tensor, angle: Tensor | float = 0.0) -> Tensor:
    """The region [4] around a face's box [4] (x0, y0, x1, y1 in px)."""
    size = (box[2:] - box[:2]).max() * MARGIN
    middle = (box[:2] + box[2:]) / 2
    return torch.stack([middle[0], middle[1], size, torch.as_tensor(angle).to(box)])


def region_of_landmarks(landmarks: Tensor) -> Tensor:
    """The regions [N, 4] around landmarks [N, 478, 2 or 3] in px, eyes level."""
    points = landmarks[..., :2]
    low, high = points.amin(1), points.amax(1)
    eyes = points[:, _EYE_CORNERS[1]] - points[:, _EYE_CORNERS[0]]
    size = (high - low).amax(1, keepdim=True) * MARGIN
    angle = torch.atan2(eyes[:, 1:], eyes[:, :1])
    return torch.cat([(low + high) / 2, size, angle], 1)


def crop(levels: list[Tensor], regions: Tensor, size: int) -> Tensor:
    """The content [B, 3, size, size] of one region [B, 4] in each of B pictures.

    The picture's edge pixels go on beyond its edge.

    Args:
        levels: `halvings` of the pictures; the one is read that is up to twice too sharp.
        regions: [B, 4].
        size: Side of the result, px.
    """
    finest = float(regions[:, 2].min())
    index = 0
    while index + 1 < len(levels) and finest / 2 ** (index + 1) >= size:
        index += 1
    pixels = torch.arange(size, device=regions.device, dtype=regions.dtype) + 0.5
    y, x = torch.meshgrid(pixels, pixels, indexing="ij")
    places = to_picture(torch.stack([x, y], -1).reshape(1, -1, 2), regions, size)  # [B, s·s, 2]
    height, width = levels[index].shape[-2:]
    extent = regions.new_tensor([width, height]) * 2**index
    grid = (2 * places / extent - 1).reshape(-1, size, size, 2)
    return F.grid_sample(levels[index], grid, padding_mode="border", align_corners=False)


def to_picture(points: Tensor, regions: Tensor, size: int) -> Tensor:
    """Points [N, P, 2 or 3] of crops with `size` px a side, in px of the picture."""
    scale = regions[:, 2, None, None] / size
    cosine, sine = regions[:, 3, None].cos(), regions[:, 3, None].sin()
    offset = (points[..., :2] - size / 2) * scale
    x = regions[:, 0, None] + cosine * offset[..., 0] - sine * offset[..., 1]
    y = regions[:, 1, None] + sine * offset[..., 0] + cosine * offset[..., 1]
    return torch.cat([torch.stack([x, y], -1), points[..., 2:] * scale], -1)


def overlap(box: Tensor, others: Tensor) -> Tensor:
    """Shared area of a box [4] with each of the others [N, 4], over the smaller one's area."""
    sides = torch.minimum(box[2:], others[:, 2:]) - torch.maximum(box[:2], others[:, :2])
    shared = sides.clamp_min(0).prod(1)
    areas = (others[:, 2:] - others[:, :2]).prod(1)
    return shared / torch.minimum((box[2:] - box[:2]).prod(), areas).clamp_min(1e-6)
