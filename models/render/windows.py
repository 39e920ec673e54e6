"""Long clips in windows: which frames are denoised together at which step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Window:
    """Frames [start, stop) are seen together, of which [keep_start, keep_stop) are kept."""

    start: int
    stop: int
    keep_start: int
    keep_stop: int


def plan_windows(frames: int, window: int, shift: int = 0) -> list[Window]:
    """Windows that keep each frame once.

    Each sees `window` frames, or all when there are fewer. A shift from step to step moves the
    seams, so that no frame has its seam twice.

    Args:
        frames: T of the clip.
        window: Frames that the renderer denoises together.
        shift: Frames by which the seams move.

    Raises:
        ValueError: No frames or no window.
    """
    if frames < 1 or window < 1:
        raise ValueError(
            f"{frames} frames cannot be cut into windows of {window}. Use at least 1 of each."
        )
    if frames <= window:
        return [Window(start=0, stop=frames, keep_start=0, keep_stop=frames)]
    seams = [0, *range(shift % window or window, frames, window), frames]
    out = []
    for keep_start, keep_stop in zip(seams, seams[1:], strict=False):
        start = min(max(keep_start - (window - (keep_stop - keep_start)) // 2, 0), frames - window)
        out.append(
            Window(start=start, stop=start + window, keep_start=keep_start, keep_stop=keep_stop)
        )
    return out


def in_windows(
    denoise: Callable[[int, int], Tensor], like: Tensor, window: int, shift: int
) -> Tensor:
    """A clip denoised window by window.

    Args:
        denoise: From first and last frame to the result for frames [start, stop).
        like: [T, C, H, W], shape, dtype and device of the result.
        window: Frames that the renderer denoises together.
        shift: Frames by which the seams move, from step to step.

    Returns:
        [T, C, H, W].
    """
    out = torch.empty_like(like)
    for one in plan_windows(like.shape[0], window, shift):
        part = denoise(one.start, one.stop)
        inside = slice(one.keep_start - one.start, one.keep_stop - one.start)
        out[one.keep_start : one.keep_stop] = part[inside]
    return out
