"""Pictures continued beyond what is known of them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def continue_outward(patch: Tensor, known: Tensor) -> Tensor:
    """A picture whose unknown parts continue the known ones smoothly.

    Push–pull (Gortler et al., The Lumigraph, 1996): each coarser level averages what is known, and
    gives it to what is not.

    Args:
        patch: [1, D, h, w].
        known: [1, 1, h, w] 0..1.

    Returns:
        [1, D, h, w]; the known parts as they are.
    """
    height, width = patch.shape[2:]
    if max(height, width) == 1 or bool((known >= 1).all()):
        return patch
    weight = F.avg_pool2d(known, 2, ceil_mode=True)
    coarse = F.avg_pool2d(patch * known, 2, ceil_mode=True) / weight.clamp(min=1e-6)
    filled = continue_outward(coarse, (weight * 4).clamp(max=1))
    up = F.interpolate(filled, (height, width), mode="bilinear", align_corners=False)
    return torch.where(known >= 1, patch, up + known * (patch - up))


def extend_columns(patch: Tensor, known: Tensor) -> Tensor:
    """A picture whose columns run on upwards and downwards from what is known of them.

    An iris cut off by a lid goes on as an iris, the white beside it as white.

    Args:
        patch: [1, D, h, w].
        known: [1, 1, h, w] 0 or 1.

    Returns:
        [1, D, h, w]; columns without anything known continue their neighbours.
    """
    height = patch.shape[2]
    row = torch.arange(height, device=patch.device)[:, None]
    is_known = known[0, 0] > 0  # [h, w]
    above = torch.where(is_known, row, -1).cummax(0).values
    below = torch.where(is_known, row, height).flip(0).cummin(0).values.flip(0)
    use_above = (row - above <= below - row) & (above >= 0) | (below == height)
    nearest = torch.where(use_above, above, below).clamp(0, height - 1)
    run_on = patch.gather(2, nearest[None, None].expand_as(patch))
    column = is_known.any(0).expand(height, -1)[None, None].float()
    return continue_outward(run_on, column)


def carry_over_edge(pictures: Tensor, inside: Tensor, seam: float) -> Tensor:
    """Pictures as they are a little before an edge, carried over it: a torn mesh is ragged there.

    Args:
        pictures: [B, H, W, 3].
        inside: [B, H, W] px to the edge, negative where pictures are good.
        seam: px before the edge from which pictures are carried on.
    """
    height, width = inside.shape[1:]
    padded = F.pad(inside[:, None], (1, 1, 1, 1), mode="replicate")[:, 0]
    across = padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2]
    down = padded[:, 2:, 1:-1] - padded[:, :-2, 1:-1]
    slope = torch.stack((across, down), -1)
    inward = slope / slope.norm(dim=-1, keepdim=True).clamp(min=2)  # 0 between two edges
    y = torch.arange(height, device=inside.device, dtype=inside.dtype) + 0.5
    x = torch.arange(width, device=inside.device, dtype=inside.dtype) + 0.5
    here = torch.stack((x.expand(height, -1), y[:, None].expand(-1, width)), -1)
    at = here - inward * (inside + seam).clamp(min=0)[..., None]
    at = at / at.new_tensor([width, height]) * 2 - 1
    out = F.grid_sample(
        pictures.permute(0, 3, 1, 2), at, padding_mode="border", align_corners=False
    )
    return out.permute(0, 2, 3, 1)
