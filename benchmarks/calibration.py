"""How far a confidence can be trusted."""

from __future__ import annotations

from torch import Tensor


def calibration_error(sure: Tensor, right: Tensor, bins: int = 10) -> float:
    """Mean distance of confidence from the share that is right, in bins of equal width."""
    place = (sure * bins).long().clamp_max(bins - 1)
    error = 0.0
    for i in range(bins):
        inside = place == i
        if bool(inside.any()):
            gap = sure[inside].mean() - right[inside].float().mean()
            error += float(gap.abs() * inside.float().mean())
    return error
