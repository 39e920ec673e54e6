"""Two motions laid over each other, part by part, with a fade in and out.

Shapes: T frames, C = 52 coefficients.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from ..speech import exact_fps, frame_times
from ..types import ARKIT_NAMES, Motion
from .parts import HEAD, NAMES, columns_of

BLEND, ADD = "blend", "add"
WAYS = (BLEND, ADD)


def mixed(
    base: Motion,
    layer: Motion,
    weights: Mapping[str, float],
    *,
    way: str = BLEND,
    start_s: float = 0.0,
    end_s: float = 0.0,
    fade_in_s: float = 0.0,
    fade_out_s: float = 0.0,
    rest: Tensor | None = None,
) -> Motion:
    """The base with parts of the layer; parts of weight 0 stay the base's, bit for bit.

    Args:
        base: T frames of it.
        layer: As many frames at the same rate.
        weights: Part of a face → share of the layer, 0 to 1 (to 2 where it is added).
        way: "blend" goes from base to layer, "add" puts what the layer moves on top.
        start_s: Second from which the layer shows.
        end_s: Second up to which it shows; 0 is the end.
        fade_in_s: How long it takes to come, from the start on.
        fade_out_s: How long it takes to go, up to the end.
        rest: [52] from which the layer's movement is counted where it is added; None: 0.

    Raises:
        ValueError: The two differ in length or rate, or a weight or time is out of range.
    """
    _require_same_clock(base, layer)
    most = 2.0 if way == ADD else 1.0
    for name in NAMES:
        if not 0.0 <= weights.get(name, 0.0) <= most:
            raise ValueError(
                f"'{name}' is {weights[name]:g}. Use a weight from 0 (the base) to {most:g}."
            )
    share = _envelope(base, start_s, end_s, fade_in_s, fade_out_s)[:, None]  # [T, 1]
    centre = torch.zeros(len(ARKIT_NAMES)) if rest is None else rest
    coefficients = base.coefficients.clone()
    for part in NAMES:
        columns = list(columns_of(part))
        weight = weights.get(part, 0.0) * share
        if not columns or float(weight.abs().max()) == 0.0:
            continue
        from_ = centre[columns] if way == ADD else base.coefficients[:, columns]
        way_to = weight * (layer.coefficients[:, columns] - from_)
        moved = (base.coefficients[:, columns] + way_to).clamp(0.0, 1.0)
        coefficients[:, columns] = torch.where(weight == 0.0, base.coefficients[:, columns], moved)
    rotation, translation = base.head_rotation, base.head_translation
    weight = weights.get(HEAD, 0.0) * share
    if float(weight.abs().max()) > 0.0:
        keep = 0.0 if way == ADD else 1.0
        rotation = rotation + weight * (layer.head_rotation - keep * rotation)
        translation = translation + weight * (layer.head_translation - keep * translation)
    return replace(
        base, coefficients=coefficients, head_rotation=rotation, head_translation=translation
    )


def _require_same_clock(base: Motion, layer: Motion) -> None:
    if base.fps != layer.fps:
        raise ValueError(
            f"'base' has {base.fps:g} fps and 'layer' {layer.fps:g} fps. Put Adjust Motion with "
            f"'fps' {base.fps:g} before 'layer'."
        )
    if base.frames != layer.frames:
        rate = float(exact_fps(base.fps))
        raise ValueError(
            f"'base' has {base.frames} frames ({base.frames / rate:.2f} s) and 'layer' "
            f"{layer.frames} ({layer.frames / rate:.2f} s). Make both from the same audio, or put "
            "Adjust Motion with that 'audio' connected before each."
        )


def _envelope(
    base: Motion, start_s: float, end_s: float, fade_in_s: float, fade_out_s: float
) -> Tensor:
    """How much of the layer shows in each frame, [T] 0..1."""
    seconds = base.frames / float(exact_fps(base.fps))
    end = seconds if end_s == 0.0 else min(end_s, seconds)
    if start_s < 0.0 or end <= start_s:
        raise ValueError(
            f"'start' {start_s:g} s and 'end' {end_s:g} s leave nothing of a motion of "
            f"{seconds:.2f} s. Use a 'start' before the 'end' and inside the motion."
        )
    for name, value in (("fade_in", fade_in_s), ("fade_out", fade_out_s)):
        if value < 0.0:
            raise ValueError(f"'{name}' is {value:g} s. Use 0 s or more.")
    times = frame_times(base.frames, base.fps)
    coming = ((times - start_s) / max(fade_in_s, 1e-6)).clamp(0.0, 1.0)
    going = ((end - times) / max(fade_out_s, 1e-6)).clamp(0.0, 1.0)
    share = torch.minimum(coming, going)
    return (share * share * (3.0 - 2.0 * share)).float()
