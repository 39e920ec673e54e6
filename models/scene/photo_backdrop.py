"""What surrounds the face: its colours, and whether it is sharp.

Shapes: h w px of a reduced picture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..landmarks import OVAL
from ..types import Portrait
from .fact import Fact, sureness
from .photo_light import brightness, small_lab

SHARE = 0.18  # of the pixels around the face, from which a colour is named
MOST = 3  # colours
FACE = 128.0  # px, width of the face when sharpness is measured
SMALLEST = 64.0  # px, of a face that can be measured
ROOM = 0.06  # of the picture that must be background
CELL = 8  # px of the reduced picture
TEXTURE = 0.004  # coarse detail of a cell, in pixel values, that can be sharp or not
PLAIN = 0.0022  # mean coarse detail under which a background is plain
SPECKS = 0.045  # the most cells of a plain background with coarse detail: faint stars are more
LEAST = 0.003  # mean coarse detail from which it is called blurred
# of the cells have coarse detail as well in a blurred, and in a sharp background: less is an object
# before a plain wall
SOME, ALL = 0.2, 0.83
PARTS = (0.5, 0.7)  # of the cells with coarse detail: those with a smaller share of fine detail
BLURRED = (0.25, 0.34)  # that share, at either part
EDGE = 0.012  # pixel values per px, of an edge whose blur can be measured
PATCHES = 8  # squares in which edges are gathered, across the width of the face
EDGES = 6  # px on edges that a square must have to count
FILLED = 0.78  # of the squares at each side of the head must have edges to be called sharp
FEW = 12  # squares: a side that has fewer is no side
CRISP, NARROW = 0.80, 0.88  # px of blur: half, and three quarters, of those have less if sharp
HARDLY = 0.1  # of the squares: fewer with edges do not count against blurred
BAR = 4.0  # lightness under which a whole row at the edge is a black bar
# lightness and chroma under which a colour is black: the darker it is, the less its hue is seen
BLACKS = ((10.0, 20.0), (14.0, 12.0), (22.0, 8.0))
WIDE = 0.95  # px: three quarters of them have more if blurred


def backdrop_facts(portrait: Portrait) -> list[Fact]:
    """Dominant colours and the background's sharpness, as far as they can be told."""
    return [*_colours(portrait), *_background(portrait)]


def colour_name(lightness: float, a: float, b: float) -> str:
    """The basic colour term of a CIELAB colour, or nothing where people differ."""
    chroma, hue = math.hypot(a, b), math.degrees(math.atan2(b, a)) % 360.0
    if any(lightness < dark and chroma < dull for dark, dull in BLACKS):
        return "black"
    if chroma < 9.0:
        cream = lightness > 70.0 and chroma > 3.0 and 20.0 <= hue < 110.0  # grey to some
        return "white" if lightness > 88.0 else "grey" if chroma < 7.5 and not cream else ""
    if 20.0 <= hue < 95.0 and chroma < 26.0 and lightness > 65.0:
        return "beige"
    if 85.0 <= hue < 120.0 and chroma < 32.0:
        return "olive" if lightness < 65.0 else ""  # khaki to some, cream to others
    if (
        45.0 <= hue < 85.0 and lightness < 58.0 and chroma < (50.0 if lightness < 48.0 else 35.0)
    ) or (33.0 <= hue < 45.0 and chroma < 32.0):
        return "brown"
    if 20.0 <= hue < 33.0 and chroma < 32.0:
        return ""  # brown to some, dark red to others
    if 298.0 <= hue < 312.0 and chroma < 30.0:
        return ""  # blue to some, purple to others
    bands = ((45.0, "red"), (75.0, "orange"), (105.0, "yellow"), (170.0, "green"),
             (225.0, "teal"), (308.0, "blue"), (332.0, "purple"), (345.0, "pink"))  # fmt: skip
    name = next((one for edge, one in bands if hue < edge), "red")
    vivid = lightness > 45.0 and chroma > 35.0 and not 15.0 <= hue < 345.0
    if name in ("red", "purple") and (lightness > 62.0 or vivid):
        return "pink"
    return name


def bars(lightness: Tensor) -> Tensor:
    """Black bars at the edges of a picture [h, w], as bool: rows and columns that are all black."""
    dark = lightness < BAR
    rows, columns = (
        lines.cumprod(0) + lines.flip(0).cumprod(0).flip(0) > 0  # all black from an edge on
        for lines in (dark.all(axis).int() for axis in (1, 0))
    )
    return rows[:, None] | columns


def _colours(portrait: Portrait) -> list[Fact]:
    lab, face = small_lab(portrait, 48)
    pixels = lab[~face & ~bars(lab[..., 0])].tolist()
    if len(pixels) < 0.15 * face.numel():
        return []
    counts: dict[str, int] = {}
    for pixel in pixels:
        if name := colour_name(*pixel):
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


@dataclass(frozen=True, eq=False, kw_only=True)
class _Reduced:
    """A reduced picture and the place of its face."""

    luma: Tensor  # [1, 1, h, w] 0..1
    middle: Tensor  # [2] px of the face
    width: float  # px of the face
    height: float

    def behind(self, step: int) -> tuple[Tensor, Tensor]:
        """What lies neither on the head nor on the body, and what of it is on the left.

        Args:
            step: px of the squares into which the picture is cut; the last ones may lack a part.

        Returns:
            Two of [h / step, w / step] bool.
        """
        rows, columns = (n // step for n in self.luma.shape[2:])
        down, across = torch.meshgrid(
            step * (torch.arange(rows) + 0.5), step * (torch.arange(columns) + 0.5), indexing="ij"
        )
        across = (across - self.middle[0]) / self.width
        down = (down - self.middle[1]) / self.height
        head = (across / 1.15).square() + ((down + 0.1) / 1.15).square() < 1.0  # hair included
        body = (down > 0.0) & (across.abs() < 0.9 + 1.6 * (down - 0.3).clamp(0.0, 1.0))
        return ~head & ~body, across < 0.0


def _reduced(portrait: Portrait, *, evenly: bool) -> _Reduced | None:
    """The picture with a face of 128 px, or nothing where the face is too small.

    Args:
        portrait: With its picture.
        evenly: Means over squares of whole pixels instead, so that no edge is spread over two; the
            face is then 128 to 256 px wide. One that is smaller is left as it is.
    """
    points = portrait.landmarks[:, :2] @ portrait.to_source[:, :2].T + portrait.to_source[:, 2]
    oval = points[list(OVAL)]
    width, height = (oval.amax(0) - oval.amin(0)).tolist()
    if width < SMALLEST:
        return None
    luma = brightness(portrait.source)[None, None]
    if evenly:
        whole = max(1, int(width / FACE))
        luma, scale = F.avg_pool2d(luma, whole), 1.0 / whole
    else:
        scale = min(1.0, FACE / width)
        luma = F.interpolate(
            luma, [max(CELL, round(n * scale)) for n in luma.shape[2:]], mode="area"
        )
    return _Reduced(
        luma=luma, middle=oval.mean(0) * scale, width=width * scale, height=height * scale
    )


def detail(reduced: _Reduced) -> tuple[float, float, float, float] | None:
    """How much coarse detail is behind the head, and how much of it is fine as well.

    Detail is the mean difference between two blurs: 0.8 and 1.6 px for fine, 3 and 6 px for coarse
    detail. An edge in focus has both, one out of focus only the second. The share is told at two
    quantiles of the cells that have coarse detail: single hairs raise neither, and both have to
    tell the same.

    Args:
        reduced: With a face of 128 px.

    Returns:
        Coarse detail in pixel values, the share of cells that have it, and the shares of fine
        detail; None where too little of the background is seen.
    """
    small = reduced.luma
    fine = F.avg_pool2d((_blur(small, 0.8) - _blur(small, 1.6)).abs(), CELL)[0, 0]
    coarse = F.avg_pool2d((_blur(small, 3.0) - _blur(small, 6.0)).abs(), CELL)[0, 0]
    behind, _ = reduced.behind(CELL)
    if float(behind.double().mean()) < ROOM:
        return None
    seen = behind & (coarse > TEXTURE)
    shares = fine[seen] / coarse[seen] if bool(seen.any()) else torch.zeros(1)
    low, high = shares.quantile(shares.new_tensor(PARTS)).tolist()
    filled = float(seen.sum()) / float(behind.sum())
    return float(coarse[behind].mean()), filled, low, high


def edge_blur(reduced: _Reduced) -> list[tuple[float, float, float, float]]:
    """How wide edges are behind the head: on its left and on its right, where there is room.

    An edge's own blur follows from how much its slope falls when it is blurred once more by 1 px.
    A square's is the median of its edges.

    Args:
        reduced: By means over whole pixels.

    Returns:
        Of each side the share of squares with edges, and the quarter, half and three quarter
        quantiles of their blur in px.

    Source: Zhuo and Sim, Defocus map estimation from a single image, 2011, equation 5.
    """
    once = _blur(reduced.luma, 0.6)
    slope = _slope(once)
    steep = slope.norm(dim=0)
    again = _slope(_blur(once, 1.0)).norm(dim=0)
    width = ((steep / again.clamp_min(1e-6)).square() - 1.0).clamp_min(1e-3).rsqrt()
    crest = _crest(slope, steep) & (steep > EDGE)
    width = width.where(crest, torch.nan)
    patch = round(reduced.width / PATCHES)
    rows, columns = (n // patch for n in width.shape)
    squares = width[: rows * patch, : columns * patch].reshape(rows, patch, columns, patch)
    squares = squares.transpose(1, 2).flatten(2)  # [rows, columns, px]
    counts = (~squares.isnan()).sum(2) >= EDGES
    medians = squares.nanmedian(2).values
    behind, left = reduced.behind(patch)
    out = []
    for side in (behind & left, behind & ~left):
        seen = side & counts
        if int(side.sum()) < FEW:
            continue
        if bool(seen.any()):
            quantiles = medians[seen].quantile(medians.new_tensor([0.25, 0.5, 0.75])).tolist()
            out.append((float(seen.sum()) / float(side.sum()), *quantiles))
        else:
            out.append((0.0, 0.0, 0.0, 0.0))
    return out


def _slope(picture: Tensor) -> Tensor:
    """Differences [2, h, w] to the right and downwards of [1, 1, h, w], in its values per px.

    They are those at the pixels' lower right corners, over one px: wider ones blur an edge.
    """
    one = F.pad(picture, (0, 1, 0, 1), mode="replicate")[0, 0]
    falling = one[1:, 1:] - one[:-1, :-1]
    rising = one[:-1, 1:] - one[1:, :-1]
    return torch.stack((falling + rising, falling - rising)) / 2


def _crest(slope: Tensor, steep: Tensor) -> Tensor:
    """Where [h, w] it is steepest along the slope."""
    height, width = steep.shape
    down, across = torch.meshgrid(
        torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij"
    )
    way = slope / steep.clamp_min(1e-6)
    out = torch.ones_like(steep, dtype=torch.bool)
    for step in (-1.0, 1.0):
        places = torch.stack(((across + step * way[0]) / width, (down + step * way[1]) / height), 2)
        beside = F.grid_sample(
            steep[None, None], places[None] * 2 - 1, padding_mode="border", align_corners=False
        )[0, 0]
        out &= steep >= beside
    return out


def _background(portrait: Portrait) -> list[Fact]:
    """Plain, blurred or sharp; each of the last two by detail and by the blur of edges."""
    reduced, whole = _reduced(portrait, evenly=False), _reduced(portrait, evenly=True)
    told = detail(reduced) if reduced is not None else None
    if whole is None or told is None:
        return []
    coarse, filled, low, high = told
    if coarse < PLAIN:
        if filled > SPECKS:
            return []
        measured = f"detail behind the head is {100 * coarse:.1f} % of the picture's range"
        sure = sureness(coarse, PLAIN, PLAIN / 2)
        return [Fact(subject="background", value="plain", measured=measured, confidence=sure)]
    sides = edge_blur(whole)
    if low < BLURRED[0] and high < BLURRED[1] and coarse > LEAST and filled > SOME:
        if any(share > HARDLY and quarter < WIDE for share, quarter, _, _ in sides):
            return []
        measured = (
            f"behind the head fine detail is {100 * low:.0f}–{100 * high:.0f} % of coarse detail"
        )
        sure = min(sureness(low, BLURRED[0], 0.12), sureness(high, BLURRED[1], 0.12))
        return [Fact(subject="background", value="blurred", measured=measured, confidence=sure)]
    if (
        filled > ALL
        and sides
        and all(share > FILLED and half < CRISP and most < NARROW for share, _, half, most in sides)
    ):
        half = max(half for _, _, half, _ in sides)
        measured = f"edges beside the head are {half:.1f} px wide"
        sure = sureness(half, CRISP, 0.2)
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
