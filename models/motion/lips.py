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

# The same as faces are drawn (photo_mesh.py), for a coefficient or each of its sides. Source:
# medians of seven portraits, whose standard deviation is 0.013 at most.
DRAWN_GAPS: dict[str, float] = {
    "jawOpen": 1.0,
    "mouthClose": -1.015,
    "jawForward": 0.06,
    "mouthFunnel": 0.453,
    "mouthPucker": 0.019,
    "mouthLowerDown": 0.075,
    "mouthUpperUp": 0.17,
    "mouthShrugUpper": 0.151,
    "mouthShrugLower": -0.237,
    "mouthRollLower": -0.104,
    "mouthRollUpper": -0.141,
    "mouthPress": -0.046,
    "mouthSmile": -0.061,
    "mouthFrown": -0.03,
    "mouthLeft": -0.037,
    "mouthRight": -0.037,
}

# How much sooner than evenly a unit sets in whose first half would hardly show; below 0 later, so
# that speech, which uses little of it, stays as it is without the gain that photo_mesh.py gives it.
EARLY = {
    "mouthFrown": 0.2,
    "browInnerUp": 0.2,
    "mouthUpperUp": 1 / 2.0 - 1,
    "mouthStretch": 1 / 2.2 - 1,
    "mouthShrugLower": 1 / 2.1 - 1,
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

# How far past their meeting lips are brought together, in units of jawOpen at 1, so that lips which
# are parted in the photo without its coefficients saying so close too.
PAST = 0.12
LAST = 0.8  # of a closure, from which on that happens
# Photos that keep their lips as they are in pauses: teeth shown by a smile, a mouth wide open. From
# which value that begins and at which it is complete.
SHOWS_TEETH, WIDE_OPEN = (0.3, 0.6), (0.35, 0.6)

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


def sets_in(coefficients: Tensor) -> Tensor:
    """How far each unit goes when it is asked for so much, [..., 52]; 0 and 1 stay."""
    out = coefficients.clone()
    for name, early in EARLY.items():
        for column in sides(name):
            value = coefficients[..., column]
            out[..., column] = value + early * value * (1 - value)
    return out


def drawn_gap(coefficients: Tensor) -> Tensor:
    """As lip_gap, for faces as they are drawn; below 0 where closed lips are pressed, [...]."""
    weights = coefficients.new_zeros(len(ARKIT_NAMES))
    for name, gap in DRAWN_GAPS.items():
        weights[list(sides(name))] = gap
    return sets_in(coefficients) @ weights


def seal(coefficients: Tensor, closure: Tensor, met: Tensor | float = 0.0) -> Tensor:
    """Coefficients with the lips closed where closure is 1, unchanged where it is 0.

    The lips press and meet, see `meet`.

    Args:
        coefficients: [..., 52].
        closure: [...] 0..1.
        met: [...] or a number, the drawn gap at which this photo's lips meet.
    """
    out = coefficients.clone()
    for name, most in PRESSED.items():
        column = ARKIT_INDEX[name]
        out[..., column] = torch.maximum(out[..., column], most * closure)
    return meet(out, closure, met)


def meet(coefficients: Tensor, closure: Tensor, met: Tensor | float = 0.0) -> Tensor:
    """Coefficients with the lips together, relaxed, where closure is 1; arguments as for `seal`.

    What opens the mouth fades to 40 % (a jaw keeps moving behind closed lips), and mouthClose takes
    up the gap that is left; what it takes to press lips beyond their meeting comes last.
    """
    out = coefficients.clone()
    for name in OPENERS:
        out[..., ARKIT_INDEX[name]] *= 1.0 - 0.6 * closure
    gap = drawn_gap(out)
    last = ((closure - LAST) / (1.0 - LAST)).clamp(0.0, 1.0)
    past = (gap.clamp_max(0.0) - met).clamp_min(0.0)
    out[..., ARKIT_INDEX["mouthClose"]] += closure * gap.clamp_min(0.0) + last * past
    return out.clamp(0.0, 1.0)


def meeting_gap(rest: Tensor) -> float:
    """The drawn gap at which the lips of a photo meet whose coefficients [52] are given."""
    return float(drawn_gap(rest).clamp_max(0.0)) - PAST


def closes_in_pauses(rest: Tensor) -> float:
    """Whether a photo's lips close in pauses, 0..1, by its coefficients [52].

    Lips that are closed or a little apart do; a smile with teeth or a mouth wide open is what the
    photo shows, and stays.
    """
    teeth = float(rest[list(sides("mouthUpperUp"))].mean())
    kept = [
        min(max((value - low) / (high - low), 0.0), 1.0)
        for value, (low, high) in ((teeth, SHOWS_TEETH), (float(lip_gap(rest)), WIDE_OPEN))
    ]
    return (1.0 - kept[0]) * (1.0 - kept[1])


def compose(
    rest: Tensor,
    shapes: Tensor,
    closure: Tensor,
    activity: Tensor,
    *,
    face: Tensor | None = None,
    hush: Tensor | None = None,
    met: float = 0.0,
) -> Tensor:
    """Speech on top of the photo's own expression and of what an emotion adds, [..., 52].

    Nobody speaking gives exactly `rest` and `face`, or, where `hush` is 1, those with the photo's
    own lips together, as far as the emotion does not open them. While someone speaks, the photo's
    own opening of the mouth gives way (a mouth cannot be open twice), that of the emotion by half,
    and a smile narrows where lips are rounded; whatever is left is closed by `closure`.

    Args:
        rest: [..., 52] the photo's own coefficients.
        shapes: [..., 9] the SHAPES of speech.
        closure: [...] 0..1, 1 = lips closed.
        activity: [...] 0..1, 0 = nobody speaks.
        face: [..., 52] what the emotion adds.
        hush: [...] 0..1, 1 = a pause in which the lips close.
        met: The drawn gap at which the photo's lips meet, from `meeting_gap`.
    """
    own = rest.expand(*shapes.shape[:-1], len(ARKIT_NAMES)).clone()
    felt = torch.zeros_like(own) if face is None else face.clone()
    if hush is not None:
        own = meet(own, hush * (1.0 - drawn_gap(felt) / PAST).clamp(0.0, 1.0), met)
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
    silent = own + felt * (1.0 - own)
    moved = (silent + speech).clamp(0.0, 1.0)
    _open_as_said(moved, silent, lip_gap(speech), activity)
    return seal(moved, closure * activity, met)


def _open_as_said(moved: Tensor, silent: Tensor, said: Tensor, activity: Tensor) -> None:
    """Let the jaw open `moved` [..., 52] so far that the lips are drawn as far apart as is said.

    What the photo's own expression closes is opened first, and what funnelled lips are drawn too
    far apart is taken back. In place.
    """
    missing = drawn_gap(silent).clamp_min(0.0) + said - drawn_gap(moved)
    jaw, close = ARKIT_INDEX["jawOpen"], ARKIT_INDEX["mouthClose"]
    wanted = moved[..., jaw] + activity * missing
    moved[..., jaw] = wanted.clamp(0.0, 1.0)
    moved[..., close] = (moved[..., close] - wanted.clamp_max(0.0)).clamp_max(1.0)
