"""Teeth that a photo shows between lips that are a little apart.

Landmarks put the edges of such lips into the middle of what shows between them, so that teeth would
go along with both lips. Teeth belong to the skull: the lower lip's edge is looked for in the
picture, below them.

Shapes: J points along a lip, K steps downwards from between the lips.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..landmarks import LOWER_LIP, UPPER_LIP

PARTED = 0.02  # mouth widths from which lips of a photo count as a little apart
OPEN_MOUTH = 0.05  # inner lip gap in mouth widths from which a photo's mouth counts as open
SKIN = (50, 280, 205, 425, 101, 330)  # landmarks on the cheeks
# What is between the lips is teeth if it is at least so bright beside the skin, and less red than
# the lips by at least this (by how much red is above green, as a share of all light).
BRIGHT, PALER = 0.6, 0.01
FURTHER = 0.04  # mouth widths by which the edge may lie below its landmark
STEP = 0.25  # px
CONTRAST = 0.06  # between the lip and what is beside it, under which landmarks are believed
MARGIN = 0.01  # mouth widths further than half way from one to the other, where a lip is itself
CORNER = 0.3  # of it at the ends of the lip


def edge_below_teeth(image: Tensor, points: Tensor) -> Tensor | None:
    """Where the lower lip's inner edge is in the photo, [J, 2] px in the order of its landmarks.

    None where no teeth show between lips that are a little apart.

    Args:
        image: [H, W, 3].
        points: [478, 2 or more] landmarks, px.
    """
    points = points[:, :2]
    upper, lower = points[list(UPPER_LIP[0])], points[list(LOWER_LIP[0])]
    across = points[308] - points[78]
    width = float(across.norm())
    if width < 1.0:
        return None
    down = torch.stack((-across[1], across[0])) / width
    apart = float(((lower - upper) @ down)[2:7].mean()) / width
    if not PARTED <= apart < OPEN_MOUTH:
        return None
    middle = (upper + lower) / 2
    lips = (lower + points[list(LOWER_LIP[-1])]) / 2
    between, skin = _at(image, middle[2:7]), _at(image, points[list(SKIN)])
    if not _are_teeth(between, _at(image, lips[2:7]), skin):
        return None
    now = (lower - middle) @ down
    edge = lower + _further(image, middle, down, lips, now, width)[:, None] * down
    apart = float(((edge - upper) @ down)[2:7].mean()) / width
    return edge if apart >= OPEN_MOUTH else None  # a finer line of teeth may be the light on a lip


def _are_teeth(between: Tensor, lips: Tensor, skin: Tensor) -> bool:
    """Whether colours [J, 3] between lips are of teeth, beside those of lips and skin."""
    light = float(skin.median(0).values.mean())
    bright = float(between.mean()) > BRIGHT * max(light, 0.02)
    return bright and float(_red(lips).median() - _red(between).median()) > PALER


def _red(colours: Tensor) -> Tensor:
    """How red colours [..., 3] are, [...]."""
    return (colours[..., 0] - colours[..., 1]) / colours.sum(-1).clamp(min=0.05)


def _further(
    image: Tensor, middle: Tensor, down: Tensor, lips: Tensor, now: Tensor, width: float
) -> Tensor:
    """How much further from the middle than its landmarks the lip begins, [J] px.

    Args:
        image: [H, W, 3].
        middle: [J, 2] px between the lips.
        down: [2] from there to the lip.
        lips: [J, 2] px in the middle of the lip.
        now: [J] px, how far its landmarks are from there.
        width: Of the mouth, px.
    """
    most = FURTHER * width
    reach = torch.arange(0.0, float(now.max()) + most + STEP, STEP)  # [K]
    seen = _at(image, middle[:, None] + reach[None, :, None] * down)  # [J, K, 3]
    lip, between = _at(image, lips), _at(image, middle)
    differ = lip - between
    share = ((seen - between[:, None]) * differ[:, None]).sum(-1)
    share = share / differ.square().sum(-1, keepdim=True).clamp(min=1e-6)
    is_lip = share > 0.5
    found = is_lip.any(1) & (differ.norm(dim=-1) > CONTRAST)
    far = torch.where(found, reach[is_lip.float().argmax(1)], now)
    further = (far - now).clamp(0.0, most)
    beside = torch.cat((further[:1], further, further[-1:])).unfold(0, 3, 1)
    further = beside.median(1).values
    further = further + MARGIN * width * (further > 0)
    along = torch.arange(len(further))
    from_corner = torch.minimum(along, along.flip(0)) / 2
    out: Tensor = further * from_corner.clamp(CORNER, 1.0)
    return out


def _at(image: Tensor, points: Tensor) -> Tensor:
    """Colours [..., 3] of an image [H, W, 3] at points [..., 2] px."""
    size = torch.tensor([image.shape[1], image.shape[0]], dtype=points.dtype)
    grid = (2 * points / size - 1).reshape(1, 1, -1, 2)
    picture = image.cpu().permute(2, 0, 1)[None]
    found = F.grid_sample(picture, grid, padding_mode="border", align_corners=False)
    return found[0, :, 0].T.reshape(*points.shape[:-1], 3)
