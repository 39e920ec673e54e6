"""How lips open and close, on ARKit coefficients.

Shapes: ... any leading dimensions, C = 52 coefficients.

ARKit's mouthClose moves the lips together by as much as jawOpen of the same value parts them, so
closed lips are jawOpen = mouthClose, whatever the jaw does.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..types import ARKIT_INDEX, ARKIT_NAMES

# What a network has to say about the mouth besides closing it: one value for left and right.
SHAPES: tuple[str, ...] = (
    "jawOpen",
    "mouthFunnel",
    "mouthPucker",
    "mouthStretch",
    "mouthSmile",
    "mouthUpperUp",
    "mouthLowerDown",
    "mouthRollLower",
    "mouthShrugUpper",
)

# How far each coefficient at 1 parts the inner lips in the middle, in units of jawOpen at 1.
# Source: measured on the CC0 face units of MPFB2's head, base mesh vertices 520 and 523.
GAPS: dict[str, float] = {
    "jawOpen": 1.0,
    "mouthClose": -1.0,
    "mouthFunnel": 0.38,
    "mouthPucker": -0.07,
    "mouthLowerDownLeft": 0.055,
    "mouthLowerDownRight": 0.055,
    "mouthUpperUpLeft": 0.072,
    "mouthUpperUpRight": 0.072,
    "mouthShrugUpper": 0.1,
    "mouthShrugLower": -0.145,
    "mouthRollLower": -0.09,
    "mouthRollUpper": -0.035,
    "mouthPressLeft": -0.035,
    "mouthPressRight": -0.035,
    "mouthSmileLeft": -0.04,
    "mouthSmileRight": -0.04,
}

# What opens the mouth, and so gives way when it closes.
OPENERS: tuple[str, ...] = (
    "jawOpen",
    "mouthFunnel",
    "mouthLowerDownLeft",
    "mouthLowerDownRight",
    "mouthUpperUpLeft",
    "mouthUpperUpRight",
    "mouthShrugUpper",
)

# What a smile with teeth is made of, and what gives way when a face turns sad or angry.
SMILE: tuple[str, ...] = ("mouthSmile", "mouthDimple", "mouthUpperUp", "cheekSquint", "jawOpen")

# What pressing the lips together looks like.
PRESSED: dict[str, float] = {
    "mouthPressLeft": 0.2,
    "mouthPressRight": 0.2,
    "mouthRollLower": 0.12,
    "mouthRollUpper": 0.12,
}


def sides(name: str) -> tuple[int, ...]:
    """Columns of a coefficient: one, or left and right."""
    return tuple(
        ARKIT_INDEX[key] for key in (name, name + "Left", name + "Right") if key in ARKIT_INDEX
    )


def spread(shapes: Tensor) -> Tensor:
    """Coefficients [..., 52] from the SHAPES [..., 9], the rest 0."""
    out = shapes.new_zeros((*shapes.shape[:-1], len(ARKIT_NAMES)))
    for k, name in enumerate(SHAPES):
        for column in sides(name):
            out[..., column] = shapes[..., k]
    return out


def lip_gap(coefficients: Tensor) -> Tensor:
    """Opening between the inner lips [...], 1 for jawOpen at 1, never below 0."""
    weights = coefficients.new_zeros(len(ARKIT_NAMES))
    for name, gap in GAPS.items():
        weights[ARKIT_INDEX[name]] = gap
    return (coefficients @ weights).clamp_min(0.0)


def seal(coefficients: Tensor, closure: Tensor) -> Tensor:
    """Coefficients with the lips closed where closure is 1, unchanged where it is 0.

    What opens the mouth fades to 40 % (a jaw keeps moving behind closed lips), mouthClose takes up
    the gap that is left, and the lips press.

    Args:
        coefficients: [..., 52].
        closure: [...] 0..1.
    """
    out = coefficients.clone()
    for name in OPENERS:
        out[..., ARKIT_INDEX[name]] *= 1.0 - 0.6 * closure
    for name, most in PRESSED.items():
        column = ARKIT_INDEX[name]
        out[..., column] = torch.maximum(out[..., column], most * closure)
    out[..., ARKIT_INDEX["mouthClose"]] += closure * lip_gap(out)
    return out.clamp(0.0, 1.0)


def compose(
    rest: Tensor,
    shapes: Tensor,
    closure: Tensor,
    activity: Tensor,
    *,
    face: Tensor | None = None,
) -> Tensor:
    """Speech on top of the photo's own expression and of what an emotion adds, [..., 52].

    Nobody speaking gives exactly `rest` and `face`. While someone speaks, the photo's own opening
    of the mouth gives way (a mouth cannot be open twice), that of the emotion by half, and a smile
    narrows where lips are rounded; whatever is left is closed by `closure`.

    Args:
        rest: [..., 52] the photo's own coefficients.
        shapes: [..., 9] the SHAPES of speech.
        closure: [...] 0..1, 1 = lips closed.
        activity: [...] 0..1, 0 = nobody speaks.
        face: [..., 52] what the emotion adds.
    """
    own = rest.expand(*shapes.shape[:-1], len(ARKIT_NAMES)).clone()
    felt = torch.zeros_like(own) if face is None else face.clone()
    rounding = (shapes[..., SHAPES.index("mouthPucker")] * 1.5).clamp(0.0, 1.0) * activity
    for name in (*OPENERS, "mouthClose"):
        own[..., ARKIT_INDEX[name]] *= 1.0 - 0.8 * activity
        if not name.startswith("mouthUpperUp"):  # a lip that disgust raises stays so
            felt[..., ARKIT_INDEX[name]] *= 1.0 - 0.5 * activity
    for name in ("mouthSmile", "mouthStretch", "mouthDimple"):
        for column in sides(name):
            own[..., column] *= 1.0 - 0.6 * rounding
            felt[..., column] *= 1.0 - 0.6 * rounding
    speech = spread(shapes) * activity[..., None]
    moved = (own + felt * (1.0 - own) + speech).clamp(0.0, 1.0)
    return seal(moved, closure * activity)
