"""What surrounds the face: its colours, and whether it is sharp.

Shapes: h w px of a reduced picture.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ..landmarks import OVAL
from ..types import Portrait
from .fact import Fact, sureness
from .photo_light import small_lab

SHARE = 0.18  # of the pixels around the face, from which a colour is named
MOST = 3  # colours
FACE = 128.0  # px, width of the face when sharpness is measured
SMALLEST = 64.0  # px, of a face that can be measured
ROOM = 0.06  # of the picture that must be background
CELL = 8  # px of the reduced picture
TEXTURE = 0.004  # coarse detail of a cell, in pixel values, that can be sharp or not
PLAIN = 0.0022  # mean coarse detail under which a background is plain
LEAST = 0.003  # mean coarse detail from which it is called blurred
MUCH = 0.006  # the same for sharp: less is the hair before a plain wall
PARTS = (0.5, 0.7)  # of the cells with coarse detail: those with a smaller share of fine detail
BLURRED, SHARP = (0.25, 0.36), (0.25, 0.45)  # that share, at either part


def backdrop_facts(portrait: Portrait) -> list[Fact]:
    """Dominant colours and the background's sharpness, as far as they can be told."""
    return [*_colours(portrait), *_background(portrait)]


def colour_name(lightness: float, a: float, b: float) -> str:
    """The basic colour term of a CIELAB colour."""
    chroma, hue = math.hypot(a, b), math.degrees(math.atan2(b, a)) % 360.0
    if lightness < 14.0 or (lightness < 22.0 and chroma < 8.0):
        return "black"
    if chroma < 9.0:
        return "white" if lightness > 88.0 else "grey"
    if 20.0 <= hue < 95.0 and chroma < 26.0 and lightness > 65.0:
        return "beige"
    if 85.0 <= hue < 120.0 and chroma < 32.0:
        return "olive"
    if (45.0 <= hue < 85.0 and lightness < 58.0 and chroma < 50.0) or (
        20.0 <= hue < 45.0 and chroma < 32.0
    ):
        return "brown"
    bands = ((45.0, "red"), (75.0, "orange"), (105.0, "yellow"), (170.0, "green"),
             (225.0, "teal"), (308.0, "blue"), (332.0, "purple"), (345.0, "pink"))  # fmt: skip
    name = next((one for edge, one in bands if hue < edge), "red")
    if name in ("red", "purple") and lightness > 62.0:
        return "pink"
    return name


def _colours(portrait: Portrait) -> list[Fact]:
    lab, face = small_lab(portrait, 48)
    pixels = lab[~face].tolist()
    if len(pixels) < 0.15 * face.numel():
        return []
    counts: dict[str, int] = {}
    for pixel in pixels:
        name = colour_name(*pixel)
        counts[name] = counts.get(name, 0) + 1
    shares = {name: n / len(pixels) for name, n in counts.items() if n / len(pixels) >= SHARE}
    top = sorted(shares, key=lambda name: (-shares[name], name))[:MOST]
    if not top:
        return []
    told = ", ".join(f"{name} {100 * shares[name]:.0f} %" for name in top)
    return [
        Fact(
            subject="colours",
            value=" and ".join(top),
            measured=f"of what surrounds the face: {told}",
            confidence=sureness(shares[top[-1]], SHARE, 0.15),
        )
    ]


def detail(portrait: Portrait) -> tuple[float, float, float] | None:
    """How much coarse detail is behind the head, and how much of it is fine as well.

    Detail is the mean difference between two blurs of the picture, reduced so that the face is
    128 px wide: 0.8 and 1.6 px for fine, 3 and 6 px for coarse detail. An edge in focus has both,
    one out of focus only the second. The share is told at two quantiles of the cells that have
    coarse detail: single hairs raise neither, and both have to tell the same.

    Returns:
        Coarse detail in pixel values and the shares of fine detail, or None where too little of
        the background is seen.
    """
    points = portrait.landmarks[:, :2] @ portrait.to_source[:, :2].T + portrait.to_source[:, 2]
    oval = points[list(OVAL)]
    width = float(oval[:, 0].max() - oval[:, 0].min())
    height = float(oval[:, 1].max() - oval[:, 1].min())
    if width < SMALLEST:
        return None
    scale = min(1.0, FACE / width)
    luma = portrait.source @ portrait.source.new_tensor([0.299, 0.587, 0.114])
    size = [max(CELL, round(n * scale)) for n in luma.shape]
    small = F.interpolate(luma[None, None], size, mode="area")
    fine = F.avg_pool2d((_blur(small, 0.8) - _blur(small, 1.6)).abs(), CELL)[0, 0]
    coarse = F.avg_pool2d((_blur(small, 3.0) - _blur(small, 6.0)).abs(), CELL)[0, 0]
    down, across = torch.meshgrid(
        CELL * (torch.arange(coarse.shape[0]) + 0.5),
        CELL * (torch.arange(coarse.shape[1]) + 0.5),
        indexing="ij",
    )
    middle = oval.mean(0) * scale
    across, down = (across - middle[0]) / (width * scale), (down - middle[1]) / (height * scale)
    head = (across / 1.15).square() + ((down + 0.1) / 1.15).square() < 1.0  # hair included
    body = (down > 0.0) & (across.abs() < 0.9 + 1.6 * (down - 0.3).clamp(0.0, 1.0))
    behind = ~head & ~body
    if float(behind.double().mean()) < ROOM:
        return None
    seen = behind & (coarse > TEXTURE)
    shares = fine[seen] / coarse[seen] if bool(seen.any()) else torch.zeros(1)
    low, high = shares.quantile(shares.new_tensor(PARTS)).tolist()
    return float(coarse[behind].mean()), low, high


def _background(portrait: Portrait) -> list[Fact]:
    told = detail(portrait)
    if told is None:
        return []
    coarse, low, high = told
    if coarse < PLAIN:
        measured = f"detail behind the head is {100 * coarse:.1f} % of the picture's range"
        sure = sureness(coarse, PLAIN, PLAIN / 2)
        return [Fact(subject="background", value="plain", measured=measured, confidence=sure)]
    measured = f"behind the head fine detail is {100 * low:.0f}–{100 * high:.0f} % of coarse detail"
    if low < BLURRED[0] and high < BLURRED[1] and coarse > LEAST:
        sure = min(sureness(low, BLURRED[0], 0.12), sureness(high, BLURRED[1], 0.12))
        return [Fact(subject="background", value="blurred", measured=measured, confidence=sure)]
    if low > SHARP[0] and high > SHARP[1] and coarse > MUCH:
        sure = min(sureness(low, SHARP[0], 0.1), sureness(high, SHARP[1], 0.1))
        return [Fact(subject="background", value="sharp", measured=measured, confidence=sure)]
    return []


def _blur(picture: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of [1, 1, h, w]."""
    reach = math.ceil(3 * sigma)
    at = torch.arange(-reach, reach + 1, dtype=picture.dtype)
    kernel = torch.exp(-0.5 * (at / sigma) ** 2)
    kernel = kernel / kernel.sum()
    padded = F.pad(picture, (reach, reach, reach, reach), mode="replicate")
    return F.conv2d(F.conv2d(padded, kernel[None, None, None]), kernel[None, None, :, None])
