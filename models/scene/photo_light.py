"""Where the light on a face comes from, how bright the picture is, and how warm.

Shapes: P points of the face's skin, V vertices, F triangles, H W px.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ..head import HeadModel, rotation_angles
from ..landmarks import EYES, INNER_LIPS, LOWER_LIP, MOUTH_CORNERS, OVAL, UPPER_LIP
from ..types import Portrait
from .fact import Fact, face_width, sureness

SIDE = 0.50  # decades of brightness between the sides of the face, from which light has a side
ABOVE = 1.0  # the same between what faces up and what faces down
EVEN, FLAT = 0.08, 0.5  # the most sideways, and up and down, of even light
LITTLE = 0.20  # the most between the sides, where light is told to come from above
STARK = (0.8, 4.0, 12.0)  # SIDE, UNLIKE and SEEN of a face in the dark
SMALLEST = 64.0  # px, width of a face whose light is told
LYING = 35.0  # degrees of roll beyond which up and sideways are not those of a face
# landmarks on the cheek to the left and to the right of the picture
CHEEKS = ((50, 101, 205, 36, 187, 123, 117, 147), (280, 330, 425, 266, 411, 352, 346, 376))
ALIKE, UNLIKE = 1.3, 2.45  # brightness of one cheek over the other's: of even light, of a side
HALVES = 0.2  # how far the skin of a half of the face turns to its side, as its normal's share
SEEN = 25.0  # CIELAB units of lightness between the halves, from which an eye sees a side
DARK, BRIGHT = 0.26, 0.62  # mean of the picture's pixel values
WARM, COOL = 9.0, -3.0  # of the picture's mean CIELAB towards orange, away from the face
BLACK = 15.0  # CIELAB lightness under which a pixel has no colour
ENOUGH = 0.05  # of the picture must have one
FILLED = 0.5  # of the picture that is face, where its skin tells the warmth
# of that skin's mean CIELAB, towards orange, and its b: 140 faces under ordinary light have -8 to
# 35 and -3 to 28, a lamp adds some 18, a blue sky takes as much
SKIN_WARM, SKIN_COOL = 36.0, -3.0
GREENISH = -3.0  # of CIELAB's a: what lies below is green rather than warm
COLOURED = 10.0  # CIELAB chroma of a pixel that counts as a colour
WARM_HUES, COOL_HUES = (0.0, 105.0), (170.0, 300.0)  # degrees of CIELAB's hue
BESIDE = 0.35  # cool pixels over warm ones, up to which a picture may be warm, and the reverse
GREENS = (105.0, 170.0)  # degrees of hue
GREENER = 1.2  # green pixels over warm ones, up to which it may be warm


def light_facts(portrait: Portrait, head: HeadModel) -> list[Fact]:
    """Light, brightness and warmth, as far as they can be told."""
    return [*_light(portrait, head), *_brightness(portrait), *_warmth(portrait, head)]


def to_linear(pixels: Tensor) -> Tensor:
    """SRGB values 0..1 as light, 0..1."""
    return torch.where(pixels <= 0.04045, pixels / 12.92, ((pixels + 0.055) / 1.055) ** 2.4)


def brightness(pixels: Tensor) -> Tensor:
    """Luma [...] of RGB pixels [..., 3] (ITU-R BT.601)."""
    return pixels @ pixels.new_tensor([0.299, 0.587, 0.114])


def to_lab(pixels: Tensor) -> Tensor:
    """CIELAB [..., 3] of sRGB values [..., 3] 0..1, under D65.

    Source: IEC 61966-2-1 and CIE 15.
    """
    matrix = pixels.new_tensor(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    white = pixels.new_tensor([0.9505, 1.0, 1.089])
    xyz = to_linear(pixels) @ matrix.T / white
    root = torch.where(xyz > 0.008856, xyz.clamp_min(1e-9) ** (1 / 3), 7.787 * xyz + 16 / 116)
    x, y, z = root.unbind(-1)
    return torch.stack((116 * y - 16, 500 * (x - y), 200 * (y - z)), -1)


def sampled(image: Tensor, places: Tensor) -> Tensor:
    """Pixels [N, 3] of an image at places [N, 2] in px."""
    grid = places[None, None] / image.shape[0] * 2 - 1
    planes = image.permute(2, 0, 1)[None]
    return F.grid_sample(planes, grid, align_corners=False)[0, :, 0].T


def shading(portrait: Portrait, head: HeadModel) -> tuple[float, float, float]:
    """How brightness grows over the skin: to the right, upwards (decades), and how well it fits.

    The logarithm of the skin's light is fitted, robustly, as a plane over the normals of the
    fitted face; hair, beard and shadows that do not fit lose their weight.

    Returns:
        Decades between skin that faces half right and skin that faces half left; the same for up
        and down; the share of points that kept at least half of their weight.
    """
    points, normals = _skin(portrait, head)
    value = _brightness_at(portrait.image, points)
    design = torch.cat((torch.ones_like(value)[:, None], normals), 1).double()  # [P, 4]
    # what faces the viewer tells little; keep that slope near zero rather than let it run away
    ridge = torch.diag(torch.tensor([0.0, 2.0, 2.0, 20.0], dtype=torch.float64))
    weight = torch.ones(len(value), dtype=torch.float64)
    slope = torch.zeros(4, dtype=torch.float64)
    for _ in range(15):
        weighted = design * weight[:, None]
        slope = torch.linalg.solve(weighted.T @ design + ridge, weighted.T @ value.double())
        miss = value.double() - design @ slope
        spread = float(miss.abs().median()) * 1.48 + 0.02
        weight = (1 - (miss / (3.0 * spread)).square()).clamp_min(0.0).square()  # Tukey
    kept = float((weight > 0.5).double().mean())
    return float(slope[1]) * math.sqrt(2.0), float(slope[2]) * math.sqrt(2.0), kept


def _skin(portrait: Portrait, head: HeadModel) -> tuple[Tensor, Tensor]:
    """Points [P, 2] in crop px on cheeks, nose and forehead, and their normals [P, 3]."""
    fitted = portrait.head
    shape = head.shape(fitted.identity, fitted.expression)
    normals = head.at_surface(_vertex_normals(shape, head.faces)) @ fitted.rotation.T
    normals = F.normalize(normals, dim=1)
    first, second = portrait.landmarks[:, :2][head.surface_parents].unbind(1)
    points = first.lerp(second, head.surface_share[:, None])
    left_out = {k for eye in EYES for k in eye.loop} | set(INNER_LIPS) | set(MOUTH_CORNERS)
    left_out |= {k for row in (*UPPER_LIP, *LOWER_LIP) for k in row} | set(OVAL)
    outer = torch.tensor(sorted(left_out))
    good = ~torch.isin(head.surface_parents, outer).any(1) & (normals[:, 2] > 0.25)
    for eye in EYES:  # no lashes, lids and brows
        loop = portrait.landmarks[eye.loop, :2]
        middle, reach = loop.mean(0), (loop[0] - loop[len(eye.upper) - 1]).norm()
        away = (points - middle) / reach
        good &= ~((away[:, 0].abs() < 0.75) & (away[:, 1] > -1.0) & (away[:, 1] < 0.35))
    return points[good], normals[good]


def _vertex_normals(vertices: Tensor, faces: Tensor) -> Tensor:
    """Normals [V, 3] of vertices [V, 3], outwards, weighted by the area of their triangles."""
    a, b, c = vertices[faces].unbind(1)
    cross = torch.linalg.cross(b - a, c - a)
    out = torch.zeros_like(vertices)
    for corner in range(3):
        out.index_add_(0, faces[:, corner], cross)
    return F.normalize(out, dim=1)


def _brightness_at(image: Tensor, points: Tensor) -> Tensor:
    """Decades of light [P] at points [P, 2] of an image [H, W, 3], over a few px."""
    size = image.shape[0]
    light = to_linear(image) @ image.new_tensor([0.2126, 0.7152, 0.0722])
    odd = 2 * (size // 128) + 1
    soft = F.avg_pool2d(light[None, None], odd, 1, odd // 2, count_include_pad=False)
    grid = points[None, None] / size * 2 - 1
    at = F.grid_sample(soft, grid, padding_mode="border", align_corners=False)[0, 0, 0]
    return (at + 0.003).log10()


def cheeks(image: Tensor, landmarks: Tensor) -> float:
    """How many times as bright the cheek on the right of the picture is as the one on the left.

    Args:
        image: [S, S, 3] 0..1.
        landmarks: [478, 2 or 3] px of it.
    """
    odd = 2 * (image.shape[0] // 100) + 1
    light = (to_linear(image) @ image.new_tensor([0.2126, 0.7152, 0.0722]))[None, None]
    soft = F.avg_pool2d(light, odd, 1, odd // 2, count_include_pad=False)
    places = landmarks[[*CHEEKS[0], *CHEEKS[1]], :2][None, None] / image.shape[0] * 2 - 1
    at = F.grid_sample(soft, places, align_corners=False)
    left, right = at[0, 0, 0].view(2, -1).mean(1).tolist()
    return float((right + 1e-3) / (left + 1e-3))


def halves(portrait: Portrait, head: HeadModel) -> float:
    """How much lighter the half of the face on the right of the picture is, in CIELAB units.

    An eye sees lightness: half of a bright cheek's light is a clear shadow, half of a dark one's is
    hardly seen.
    """
    points, normals = _skin(portrait, head)
    light = 10 ** _brightness_at(portrait.image, points)
    lightness = 116 * light.clamp(0.0089, 1.0) ** (1 / 3) - 16
    aside = (normals @ portrait.head.rotation)[:, 0]  # in the head's own frame
    left, right = lightness[aside < -HALVES], lightness[aside > HALVES]
    if not len(left) or not len(right):
        return 0.0
    return float(right.median() - left.median())


def _light(portrait: Portrait, head: HeadModel) -> list[Fact]:
    """From where, if shading over the normals, cheeks and halves of the face tell the same."""
    if face_width(portrait) < SMALLEST:
        return []
    across, upward, kept = shading(portrait, head)
    roll = math.degrees(float(rotation_angles(portrait.head.rotation)[2]))
    if kept < 0.4 or abs(roll) > LYING:
        return []  # the skin is covered, or its shading is not that of one light
    side = "right" if across > 0 else "left"
    times = 10 ** abs(across)
    measured = f"skin that faces {side} is {times:.1f} times as bright as skin that faces away"
    ratio = cheeks(portrait.image, portrait.landmarks)
    if abs(across) > SIDE:
        lighter = halves(portrait, head)
        if side == "left":
            ratio, lighter = 1 / ratio, -lighter
        stark = abs(across) > STARK[0] and ratio > STARK[1] and lighter > STARK[2]
        if not stark and (ratio < UNLIKE or lighter < SEEN):
            return []
        sure = sureness(abs(across), SIDE, 0.10)
        return [Fact(subject="light", value=side, measured=measured, confidence=sure)]
    if upward > ABOVE and abs(across) < LITTLE:
        measured = f"skin that faces up is {10**upward:.1f} times as bright as skin that faces down"
        sure = sureness(upward, ABOVE, 0.15)
        return [Fact(subject="light", value="above", measured=measured, confidence=sure)]
    if abs(across) < EVEN and max(ratio, 1 / ratio) < ALIKE and abs(upward) < FLAT:
        measured = f"both sides of the face are equally bright, within {100 * (times - 1):.0f} %"
        sure = sureness(abs(across), EVEN, EVEN)
        return [Fact(subject="light", value="front", measured=measured, confidence=sure)]
    return []


def _brightness(portrait: Portrait) -> list[Fact]:
    luma = brightness(portrait.source)
    mean = float(luma.mean())
    value = "dark" if mean < DARK else "bright" if mean > BRIGHT else "medium"
    edge = DARK if mean < (DARK + BRIGHT) / 2 else BRIGHT
    return [
        Fact(
            subject="brightness",
            value=value,
            measured=f"the picture's mean brightness is {100 * mean:.0f} %",
            confidence=sureness(mean, edge, 0.1),
        )
    ]


def small_lab(portrait: Portrait, side: int = 96) -> tuple[Tensor, Tensor]:
    """CIELAB [h, w, 3] of the whole picture at a small size, and where the face is [h, w] bool."""
    height, width = portrait.source.shape[:2]
    scale = side / max(height, width)
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    pixels = portrait.source.permute(2, 0, 1)[None]
    small = F.interpolate(pixels, size, mode="area")[0].permute(1, 2, 0)
    oval = portrait.landmarks[list(OVAL), :2] @ portrait.to_source[:, :2].T
    oval = oval + portrait.to_source[:, 2]
    scale_xy = oval.new_tensor([size[1] / width, size[0] / height])
    middle, reach = oval.mean(0) * scale_xy, (oval - oval.mean(0)).abs().amax(0) * scale_xy
    y, x = torch.meshgrid(torch.arange(size[0]) + 0.5, torch.arange(size[1]) + 0.5, indexing="ij")
    face = ((x - middle[0]) / reach[0]) ** 2 + ((y - middle[1]) / reach[1]) ** 2 < 1.1
    return to_lab(small), face


def _warmth(portrait: Portrait, head: HeadModel) -> list[Fact]:
    lab, face = small_lab(portrait)
    seen = ~face & (lab[..., 0] > BLACK)  # black has no warmth, however much of it there is
    if float(seen.sum()) < ENOUGH * face.numel():
        return _skin_warmth(portrait, head) if float(face.double().mean()) > FILLED else []
    towards = _towards_orange(lab[seen])
    a = float(lab[seen][:, 1].mean())
    warm = towards > WARM and a > GREENISH
    if towards > WARM and not warm:
        return []
    value = "warm" if warm else "cool" if towards < COOL else "neutral"
    if value != "neutral" and not _of_one_kind(lab[seen], warm):
        return []
    edge = WARM if towards > (WARM + COOL) / 2 else COOL
    return [
        Fact(
            subject="warmth",
            value=value,
            measured=f"around the face colours lie {towards:+.0f} CIELAB units towards orange",
            confidence=sureness(towards, edge, 6.0),
        )
    ]


def _towards_orange(lab: Tensor) -> float:
    """How far the mean of CIELAB colours [n, 3] lies towards orange."""
    a, b = lab[:, 1:].mean(0).tolist()
    return float(0.4 * a + 0.92 * b)  # orange lies at about 67° of CIELAB's hue


def _skin_warmth(portrait: Portrait, head: HeadModel) -> list[Fact]:
    """Warm or cool, of a face that fills the picture, where its skin has such a light on it."""
    points, _ = _skin(portrait, head)
    lab = to_lab(sampled(portrait.image, points))
    lab = lab[lab[:, 0] > BLACK]
    if not len(lab):
        return []
    towards, blueish = _towards_orange(lab), float(lab[:, 2].mean())
    if SKIN_COOL <= blueish and towards <= SKIN_WARM:
        return []
    value, apart = (
        ("cool", SKIN_COOL - blueish) if blueish < SKIN_COOL else ("warm", towards - SKIN_WARM)
    )
    measured = (
        f"the skin, which fills the picture, lies {towards:+.0f} CIELAB units towards orange and "
        f"{-blueish:+.0f} towards blue"
    )
    return [
        Fact(subject="warmth", value=value, measured=measured, confidence=sureness(apart, 0.0, 6.0))
    ]


def _of_one_kind(lab: Tensor, warm: bool) -> bool:
    """Whether the colours of pixels [n, 3] are warm, or cool, and hardly the other.

    A mean says nothing of a picture that is half red and half blue.
    """
    coloured = lab[lab[:, 1:].norm(dim=1) > COLOURED]
    hue = torch.rad2deg(torch.atan2(coloured[:, 2], coloured[:, 1])) % 360.0
    reds, blues, greens = (
        int(((hue >= low) & (hue < high)).sum()) for low, high in (WARM_HUES, COOL_HUES, GREENS)
    )
    if warm:
        return blues <= BESIDE * reds and greens <= GREENER * reds
    return reds <= BESIDE * blues
