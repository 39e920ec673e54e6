"""Where each pixel of a frame was in the still crop: dense optical flow, and sampling by it.

Shapes: b frames, h w pixels. A flow [b, 2, h, w] holds x, y in px: frame(p) ≈ still(p + flow(p)).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

LEVELS = 4
STEPS = 2  # per level
WINDOW = 7  # px


def resample(image: Tensor, where: Tensor, mode: str) -> Tensor:
    """Values of an image at points, the border's values beyond it, [b, C, r, c].

    Args:
        image: [b, C, h, w].
        where: [b, r, c, 2] x, y in px of the image.
        mode: "bilinear" or "bicubic".
    """
    h, w = image.shape[2:]
    size = torch.tensor([w, h], device=image.device, dtype=image.dtype)
    return F.grid_sample(
        image, where * (2 / size) - 1, mode, padding_mode="border", align_corners=False
    )


def warp(image: Tensor, flow: Tensor) -> Tensor:
    """The image moved by a flow: image(p + flow(p)), [b, C, h, w]."""
    h, w = flow.shape[2:]
    y = torch.arange(h, device=flow.device, dtype=flow.dtype) + 0.5
    x = torch.arange(w, device=flow.device, dtype=flow.dtype) + 0.5
    where = flow.permute(0, 2, 3, 1) + torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)
    return resample(image.expand(flow.shape[0], -1, -1, -1), where, "bilinear")


def backward_flow(frame: Tensor, still: Tensor) -> Tensor:
    """Flow from a frame to the still image, by iterated least squares from coarse to fine.

    Exactly 0 where the images agree.

    Args:
        frame: [b, C, h, w] 0..1.
        still: [1, C, h, w] 0..1.

    Source: Lucas and Kanade, "An iterative image registration technique", IJCAI 1981; pyramid as in
        Bouguet, Intel, 2000.
    """
    h, w = frame.shape[2:]
    flow = torch.zeros(frame.shape[0], 2, 1, 1, device=frame.device, dtype=frame.dtype)
    for level in reversed(range(LEVELS)):
        size = (max(1, h >> level), max(1, w >> level))
        if min(size) < WINDOW and level > 0:
            continue
        one = F.interpolate(frame, size, mode="area")
        two = F.interpolate(still, size, mode="area")
        flow = rescale_flow(flow, size)
        for _ in range(STEPS):
            flow = _step(flow, one, two)
    return flow


def rescale_flow(flow: Tensor, size: tuple[int, int]) -> Tensor:
    """The flow at another resolution, [b, 2, *size] px of that resolution."""
    h, w = flow.shape[2:]
    if (h, w) == size:
        return flow
    factor = torch.tensor([size[1] / w, size[0] / h], device=flow.device, dtype=flow.dtype)
    return F.interpolate(flow, size, mode="bilinear") * factor[:, None, None]


def _step(flow: Tensor, frame: Tensor, still: Tensor) -> Tensor:
    """One Gauss-Newton step of the flow in every window, then a little smoothing."""
    moved = warp(still, flow)
    change = frame - moved
    gx, gy = _gradient((frame + moved) / 2)
    pairs = ((gx, gx), (gx, gy), (gy, gy), (gx, change), (gy, change))
    products = torch.stack([(one * two).sum(1) for one, two in pairs], 1)
    xx, xy, yy, bx, by = box_blur(products, WINDOW).unbind(1)
    held = 1e-4  # holds the flow where nothing is to be seen
    xx, yy = xx + held, yy + held
    determinant = xx * yy - xy * xy
    step = torch.stack([yy * bx - xy * by, xx * by - xy * bx], 1) / determinant[:, None]
    return box_blur(flow + step.clamp(-2, 2), 5)


def _gradient(image: Tensor) -> tuple[Tensor, Tensor]:
    padded = F.pad(image, (1, 1, 1, 1), mode="replicate")
    gx = (padded[:, :, 1:-1, 2:] - padded[:, :, 1:-1, :-2]) / 2
    gy = (padded[:, :, 2:, 1:-1] - padded[:, :, :-2, 1:-1]) / 2
    return gx, gy


def box_blur(image: Tensor, width: int) -> Tensor:
    """Mean over a square window of odd width, the border repeated beyond it."""
    h, w = image.shape[2:]
    padded = F.pad(image, (width // 2,) * 4, mode="replicate")
    rows = padded[..., :w].clone()
    for shift in range(1, width):
        rows += padded[..., shift : shift + w]
    total = rows[:, :, :h].clone()
    for shift in range(1, width):
        total += rows[:, :, shift : shift + h]
    return total / width**2
