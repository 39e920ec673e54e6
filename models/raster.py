"""Triangles to pixels in plain torch, batched.

Shapes: B pictures, V vertices, F triangles, H W pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor


def rasterise(
    xy: Tensor,
    depth: Tensor,
    faces: Tensor,
    height: int,
    width: int,
    behind: Tensor | None = None,
) -> Tensor:
    """Which triangle is seen at each pixel centre.

    Args:
        xy: [B, V, 2] pixel coordinates; the first pixel's centre is (0.5, 0.5).
        depth: [B, V], larger is nearer.
        faces: [F, 3] vertex indices, either winding.
        height: H.
        width: W.
        behind: [F] a triangle is seen only where none with a smaller value is.

    Returns:
        [B, H, W] int64 triangle index, -1 where there is none. Among triangles whose middles are
        equally deep the one listed last wins.
    """
    batch = xy.shape[0]
    count = faces.shape[0]
    corners = xy[:, faces]  # [B, F, 3, 2]
    low = (corners.amin(2) - 0.5).ceil().long()  # first pixel centre inside the box
    high = (corners.amax(2) - 0.5).floor().long()
    limit = torch.tensor([width - 1, height - 1], device=xy.device)
    low = low.clamp(min=0)
    high = torch.minimum(high, limit)
    span = (high - low + 1).clamp(min=0)  # [B, F, 2]
    pixels = span[..., 0] * span[..., 1]  # [B, F]
    edges = _edges(corners)  # [B, F, 3, 3]
    by_rank = depth[:, faces].mean(2).argsort(dim=1, stable=True)  # [B, F] farthest first
    if behind is not None:
        hidden = (behind > 0).long()[by_rank]
        by_rank = by_rank.gather(1, hidden.argsort(dim=1, stable=True, descending=True))
    order = by_rank.argsort(dim=1)  # rank, [B, F]

    flat = pixels.flatten()
    owner = torch.repeat_interleave(torch.arange(flat.numel(), device=xy.device), flat)  # [N]
    first = flat.cumsum(0) - flat
    local = torch.arange(owner.numel(), device=xy.device) - first[owner]
    wide = span[..., 0].flatten()[owner]
    row = torch.div(local, wide, rounding_mode="floor")
    x = low[..., 0].flatten()[owner] + local - row * wide
    y = low[..., 1].flatten()[owner] + row
    fx, fy = x.to(xy.dtype) + 0.5, y.to(xy.dtype) + 0.5
    table = edges.flatten(0, 1)  # [B·F, 3, 3]
    inside = torch.ones_like(fx, dtype=torch.bool)
    for k in range(3):
        a, b, c = table[:, k, 0][owner], table[:, k, 1][owner], table[:, k, 2][owner]
        inside &= a * fx + b * fy + c >= -1e-4
    owner, x, y = owner[inside], x[inside], y[inside]
    picture = torch.div(owner, count, rounding_mode="floor")
    place = (picture * height + y) * width + x
    seen = torch.full((batch * height * width,), -1, dtype=torch.int64, device=xy.device)
    seen.scatter_reduce_(0, place, order.flatten()[owner], "amax")
    seen = seen.view(batch, height * width)
    index = by_rank.gather(1, seen.clamp(min=0))
    return torch.where(seen >= 0, index, -1).view(batch, height, width)


def _edges(corners: Tensor) -> Tensor:
    """Edge functions a·x + b·y + c, positive inside and 1 at the far corner: [B, F, 3, 3]."""
    p, q, r = corners.unbind(2)
    rows = []
    for near, far, tip in ((q, r, p), (r, p, q), (p, q, r)):
        a = near[..., 1] - far[..., 1]
        b = far[..., 0] - near[..., 0]
        c = -(a * near[..., 0] + b * near[..., 1])
        area = a * tip[..., 0] + b * tip[..., 1] + c
        good = area.abs() > 1e-9
        scale = torch.where(good, 1.0 / torch.where(good, area, 1.0), 0.0)
        c = torch.where(good, c * scale, -1.0)  # a triangle without area holds no pixel
        rows.append(torch.stack((a * scale, b * scale, c), dim=-1))
    return torch.stack(rows, dim=2)


def interpolate(index: Tensor, xy: Tensor, faces: Tensor, values: Tensor) -> Tensor:
    """Vertex values at each pixel, linear within its triangle.

    Args:
        index: [B, H, W] from `rasterise`.
        xy: [B, V, 2] pixel coordinates.
        faces: [F, 3].
        values: [B, V, D] or [V, D].

    Returns:
        [B, H, W, D], zero where there is no triangle.
    """
    batch, height, width = index.shape
    edges = _edges(xy[:, faces])  # [B, F, 3, 3]
    at_corners = values[..., faces, :].expand(batch, -1, -1, -1)
    # each value is itself affine in x and y over a triangle: [B, F, 3 (x, y, 1), D]
    affine = torch.einsum("bfkc,bfkd->bfcd", edges, at_corners)
    flat = index.clamp(min=0).view(batch, -1)
    planes = affine.flatten(2)  # [B, F, 3·D]
    at = planes.gather(1, flat[..., None].expand(-1, -1, planes.shape[2]))
    at = at.view(batch, height, width, 3, -1)
    x = torch.arange(width, device=xy.device, dtype=xy.dtype) + 0.5
    y = torch.arange(height, device=xy.device, dtype=xy.dtype)[:, None] + 0.5
    out = at[..., 0, :] * x[:, None] + at[..., 1, :] * y[..., None] + at[..., 2, :]
    return torch.where((index >= 0)[..., None], out, 0.0)
