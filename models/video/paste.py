"""Frames of the head crop put back into the whole picture, without a seam.

Shapes: b frames, h w pixels of a crop frame, H0 W0 of the source picture, r c rows and columns of
the part of the source that the crop covers. Pixel coordinates as in models/types.py. Inside, images
are [b, 3, h, w].

A frame has fewer pixels than the part of the source that it covers when the source is large. What
the source shows beyond the crop's resolution, its detail, is therefore kept: where the frame shows
what the crop showed, the detail stays; where skin has moved, the detail moves with it, along the
optical flow from frame to crop; where the frame shows something new, such as an open mouth, the
detail fades out, since it would be a ghost there.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from ..types import Portrait
from .flow import backward_flow, box_blur, resample, rescale_flow, warp

# How well the moved crop must explain the frame for its detail to be kept, 0..1 of full scale.
DETAIL_TOLERANCE = 0.1
# Up to here there is too little detail for it to be worth a flow: source px per frame px.
DETAIL_SCALE = 1.15
STILL = 1 / 1024  # a smaller difference between frame and crop is none
ROUNDING = 1 / 255  # a smaller one is no motion
FLOW_SIZE = 256  # px of the longer side at which the flow is found; motion is smooth
TILE = 192  # source px, small enough for the processor's cache


def paste_mask(portrait: Portrait, feather: float = 0.12) -> Tensor:
    """Share of the frame in each pixel of the pasted picture, [H0, W0] 0..1.

    Args:
        portrait: Where the crop lies in its source.
        feather: Width of the soft edge as a share of the crop's shorter side, 0..0.5. Sides of the
            crop on or beyond the picture's border have no soft edge: nothing is beside them.

    Raises:
        ValueError: feather is out of range, or the crop does not lie in the source.
    """
    height, width = portrait.source.shape[:2]
    mask = torch.zeros(height, width)
    top, left, bottom, right = _covered(portrait)
    mask[top:bottom, left:right] = _alpha(portrait, feather)
    return mask


def paste_back(
    frames: Tensor, portrait: Portrait, *, feather: float = 0.12, match_colour: bool = True
) -> Tensor:
    """The source picture with the head crop replaced by each frame, [b, H0, W0, 3] 0..1.

    The picture outside the crop is the source's bit by bit, and so is all of it when a frame
    equals the crop. Memory beyond the result does not grow with b.

    Args:
        frames: [b, h, w, 3] 0..1, the crop in motion, at any resolution of the crop's aspect.
        portrait: The picture it came from.
        feather: Width of the soft edge as a share of the crop's shorter side, 0..0.5.
        match_colour: Undo the frame's colour drift: per channel, the gain and offset between the
            frame and the crop near the crop's edge, where little moves.

    Raises:
        ValueError: frames are not [b, h, w, 3] in the crop's aspect, feather is out of range, or
            the crop does not lie in the source.
    """
    height, width = portrait.image.shape[:2]
    if frames.ndim != 4 or frames.shape[3] != 3 or min(frames.shape[1:3]) < 1:
        raise ValueError(
            f"'frames' has shape {list(frames.shape)}, needed is [frames, height, width, 3]. "
            "Connect the frames that were rendered from this portrait."
        )
    h, w = frames.shape[1:3]
    if abs(w * height - h * width) > max(height, width):  # more than a pixel off
        raise ValueError(
            f"'frames' are {w}×{h} pixels, but the portrait's crop is {width}×{height}. Connect "
            "frames of the same aspect, rendered from this portrait."
        )
    device, dtype = frames.device, torch.float32
    source = portrait.source.to(device, dtype)
    top, left, bottom, right = _covered(portrait)
    alpha = _alpha(portrait, feather).to(device)
    below = source[top:bottom, left:right].permute(2, 0, 1)[None]  # [1, 3, r, c]
    to_frame = _to_frame(portrait, h, w).to(device)
    # Where each covered source pixel lies in the frame: [1, r, c, 2] frame px.
    where = (
        _grid(bottom - top, right - left, top, left, device) @ to_frame[:, :2].T + to_frame[:, 2]
    )
    scale = float(torch.linalg.det(to_frame[:, :2]).abs().rsqrt())  # source px per frame px
    crop = _fit(portrait.image.to(device, dtype).permute(2, 0, 1)[None], h, w)
    band = _band(h, w, feather, device)

    detail = below - resample(_soften(crop, scale), where, "bicubic")
    follows = scale > DETAIL_SCALE
    to_source = torch.linalg.inv(to_frame[:, :2])

    result = source.expand(frames.shape[0], -1, -1, -1).clone()
    for index in range(frames.shape[0]):
        frame = frames[index].to(dtype).permute(2, 0, 1)[None]
        if match_colour:
            frame = _matched(frame, crop, band)
        change = frame - crop
        moving = _moving(change)
        motion = _motion(frame, crop, moving, follows)
        change = _soften(change, scale)
        pasted = result[index, top:bottom, left:right]
        for rows, columns in _tiles(where, change, moving):
            here = where[:, rows, columns]
            moved = resample(motion, here, "bilinear")
            own = carried = detail[:, :, rows, columns]
            if follows:
                shift = moved[:, 1:].permute(0, 2, 3, 1) @ to_source.T  # [1, r, c, 2] source px
                start = torch.tensor([columns.start, rows.start], device=device)
                still = _grid(shift.shape[1], shift.shape[2], 0, 0, device) + start
                carried = resample(detail, still + shift, "bicubic")
            delta = resample(change, here, "bicubic") + moved[:, :1] * carried - own
            tile = below[:, :, rows, columns]
            mixed = (tile + alpha[rows, columns] * delta).clamp(0, 1)
            # Where alpha is 0 nothing may change, not even a source out of 0..1.
            mixed = torch.where(alpha[rows, columns] > 0, mixed, tile)
            pasted[rows, columns] = mixed[0].permute(1, 2, 0)
    return result


def _moving(change: Tensor) -> Tensor:
    """1 on and close to pixels that differ from the crop, softly 0 beyond, [1, 1, h, w]."""
    h, w = change.shape[2:]
    cell = max(1, min(h, w) // 64)
    differs = ((change.abs().amax(1, keepdim=True) - ROUNDING) / ROUNDING).clamp(0, 1)
    coarse = F.max_pool2d(differs, cell, ceil_mode=True)
    coarse = box_blur(F.max_pool2d(coarse, 5, 1, 2), 3)
    fine = F.interpolate(coarse, scale_factor=cell, mode="bilinear")
    return fine[:, :, :h, :w]


def _motion(frame: Tensor, crop: Tensor, moving: Tensor, follows: bool) -> Tensor:
    """The share of detail to keep, and if it follows, its flow x, y in px, [1, 1 or 3, h, w]."""
    moved, flow = crop, None
    if follows:
        h, w = frame.shape[2:]
        shrink = max(1, round(max(h, w) / FLOW_SIZE))
        size = (max(1, h // shrink), max(1, w // shrink))
        small = [F.interpolate(image, size, mode="area") for image in (frame, crop)]
        flow = rescale_flow(backward_flow(*small), (h, w)) * moving
        moved = warp(crop, flow)
    error = (frame - moved).abs().amax(1, keepdim=True)
    coarse = box_blur(F.max_pool2d(error, 4, 2, 1), 3)
    error = F.interpolate(coarse, error.shape[2:], mode="bilinear") * moving
    kept = torch.exp(-((error / DETAIL_TOLERANCE) ** 2))
    return kept if flow is None else torch.cat([kept, flow], 1)


def _tiles(where: Tensor, change: Tensor, moving: Tensor) -> Iterator[tuple[slice, slice]]:
    """Parts of the covered source in which a frame differs from the crop."""
    h, w = moving.shape[2:]
    differs = (change.abs().amax(1) > STILL)[0] | (moving[0, 0] > 0)
    limit = torch.tensor([w, h], device=where.device)
    for y in range(0, where.shape[1], TILE):
        for x in range(0, where.shape[2], TILE):
            rows = slice(y, min(y + TILE, where.shape[1]))
            columns = slice(x, min(x + TILE, where.shape[2]))
            points = where[0, rows, columns][:: TILE - 1, :: TILE - 1].reshape(-1, 2)
            points = torch.cat([points, where[0, rows.stop - 1, columns.stop - 1][None]])
            low = torch.minimum(points.amin(0).long() - 3, limit - 1).clamp(min=0).tolist()
            high = torch.minimum(points.amax(0).long() + 4, limit).clamp(min=1).tolist()
            if bool(differs[low[1] : high[1], low[0] : high[0]].any()):
                yield rows, columns


def _to_frame(portrait: Portrait, h: int, w: int) -> Tensor:
    """Affine from source px to px of an [h, w] frame, [2, 3]."""
    height, width = portrait.image.shape[:2]
    linear = torch.linalg.inv(portrait.to_source[:, :2].double())
    shift = -linear @ portrait.to_source[:, 2].double()
    size = torch.tensor([w / width, h / height], dtype=torch.float64)
    return (torch.cat([linear, shift[:, None]], 1) * size[:, None]).float()


def _corners(portrait: Portrait) -> Tensor:
    """Crop corners in the source, clockwise from the top left, [4, 2] source px."""
    height, width = portrait.image.shape[:2]
    corners = torch.tensor([[0, 0], [width, 0], [width, height], [0, height]]).double()
    affine = portrait.to_source.double()
    return corners @ affine[:, :2].T + affine[:, 2]


def _covered(portrait: Portrait) -> tuple[int, int, int, int]:
    """Part of the source that the crop covers: top, left, bottom, right."""
    height, width = portrait.source.shape[:2]
    corners = _corners(portrait)
    left, top = (int(v) for v in corners.amin(0).floor())
    right, bottom = (int(v) for v in corners.amax(0).ceil())
    top, left, bottom, right = max(top, 0), max(left, 0), min(bottom, height), min(right, width)
    if top >= bottom or left >= right:
        raise ValueError(
            "'portrait' has its head crop outside its source picture. Prepare the portrait again "
            "from the picture into which the frames are pasted."
        )
    return top, left, bottom, right


def _alpha(portrait: Portrait, feather: float) -> Tensor:
    """Share of the frame in each covered source pixel, [r, c], 0 at the crop's border."""
    if not 0.0 <= feather <= 0.5:
        raise ValueError(f"'feather' is {feather:g}. Use a value from 0 to 0.5.")
    height, width = portrait.image.shape[:2]
    top, left, bottom, right = _covered(portrait)
    to_crop = _to_frame(portrait, height, width)
    where = _grid(bottom - top, right - left, top, left, torch.device("cpu"))[0]
    x, y = (where @ to_crop[:, :2].T + to_crop[:, 2]).unbind(-1)
    corners = _corners(portrait)
    size = torch.tensor(portrait.source.shape[1::-1]).double()
    soft = max(feather * min(height, width), 1e-3)
    alpha = torch.ones_like(x)
    for side, inside in enumerate((y, width - x, height - y, x)):  # top, right, bottom, left
        ends = corners[[side, (side + 1) % 4]]
        beyond = ((ends <= 0.5).all(0) | (ends >= size - 0.5).all(0)).any()
        share = ((inside >= 0) if beyond else inside / soft).float().clamp(0, 1)
        alpha = alpha * share * share * (3 - 2 * share)
    return alpha


def _grid(rows: int, columns: int, top: int, left: int, device: torch.device) -> Tensor:
    """Pixel centres x, y of a part of a picture, [1, rows, columns, 2] px."""
    y = torch.arange(rows, device=device, dtype=torch.float32) + (top + 0.5)
    x = torch.arange(columns, device=device, dtype=torch.float32) + (left + 0.5)
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)[None]


def _fit(image: Tensor, h: int, w: int) -> Tensor:
    """An image at another resolution, low-passed when it shrinks, [1, 3, h, w]."""
    if image.shape[2:] == (h, w):
        return image
    return F.interpolate(image, (h, w), mode="bicubic", antialias=True)


def _soften(image: Tensor, scale: float) -> Tensor:
    """An image without what `scale` < 1 source px per px cannot hold (Gaussian low-pass)."""
    if scale >= 1:
        return image
    sigma = 0.5 * (scale**-2 - 1) ** 0.5
    radius = max(1, round(3 * sigma))
    taps = torch.exp(-0.5 * (torch.arange(-radius, radius + 1) / sigma) ** 2)
    weights: list[float] = (taps / taps.sum()).tolist()
    h, w = image.shape[2:]
    image = F.pad(image, (radius,) * 4, mode="replicate")
    rows = image[..., :w] * weights[0]
    for shift, weight in enumerate(weights[1:], 1):
        rows.add_(image[..., shift : shift + w], alpha=weight)
    total = rows[:, :, :h] * weights[0]
    for shift, weight in enumerate(weights[1:], 1):
        total.add_(rows[:, :, shift : shift + h], alpha=weight)
    return total


def _band(h: int, w: int, feather: float, device: torch.device) -> Tensor:
    """Pixels near the frame's border from which its colour drift is read, [h, w] bool."""
    edge = max(2, round(max(feather, 0.06) * min(h, w)))
    step = max(1, min(h, w) // 128)  # some thousand pixels tell it as well as all
    band = torch.zeros(h, w, dtype=torch.bool, device=device)
    band[::step, ::step] = True
    band[edge : h - edge, edge : w - edge] = False
    return band


def _matched(frame: Tensor, crop: Tensor, band: Tensor) -> Tensor:
    """The frame without its colour drift, [1, 3, h, w].

    Fits frame − crop = gain · crop + offset per channel over the band by least squares, reweighted
    so that what moves through the band (hair, shoulders) does not count. The gain is held back
    where the band is too even to tell it.
    """
    below = crop[0][:, band]  # [3, n]
    change = frame[0][:, band] - below
    if change.abs().max() < STILL:
        return frame
    weight = torch.ones_like(change[0])
    gain = offset = torch.zeros_like(change[:, :1])
    for _ in range(6):
        total = weight.sum().clamp(min=1e-6)
        mean_x = (weight * below).sum(1, keepdim=True) / total
        mean_d = (weight * change).sum(1, keepdim=True) / total
        spread = (weight * (below - mean_x) ** 2).sum(1, keepdim=True) / total
        gain = (weight * (below - mean_x) * (change - mean_d)).sum(1, keepdim=True) / total
        gain = (gain / (spread + 0.03**2)).clamp(-0.25, 0.25)
        offset = mean_d - gain * mean_x
        error = (change - gain * below - offset).abs().amax(0)
        limit = (2.0 * error.median()).clamp(min=0.01)
        weight = 1 / (1 + (error / limit) ** 4)
    return (frame - offset[None, :, :, None]) / (1 + gain[None, :, :, None])
