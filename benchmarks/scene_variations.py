"""Pictures changed in a way that is known: what a fact about them must say.

A variation is a whole picture and, for one subject of scene facts, the true value.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from common import ARKIT_INDEX, Studio
from synchrorama.models.head import project, rotation_angles
from synchrorama.models.motion.frames import MotionFrames
from synchrorama.models.raster import interpolate, rasterise
from synchrorama.models.scene.fact import face_width
from synchrorama.models.scene.photo_light import _vertex_normals, cheeks, small_lab, to_linear
from synchrorama.models.scene.photo_pose import EYES_OPEN, IRIS, SMALLEST, eye_openings, eyes_seen
from synchrorama.models.types import Portrait
from synchrorama.models.video.paste import paste_back
from torch import Tensor

AMBIENT = 0.04  # of the light from a side that reaches skin which faces away from it
TURN = 0.5  # sine of the angle from the viewer at which skin has all of that light, or none
LAMP = 0.3  # mean light that skin facing it reflects at least, of what a picture can show
SURROUNDINGS = 0.2  # of the picture that must be background to be exchanged
UNEVEN = 3.0  # brightness of one cheek over the other's, up to which it is made even first


@dataclass(frozen=True, eq=False, kw_only=True)
class Variation:
    """A picture with one known truth."""

    kind: str
    subject: str
    truth: tuple[str, ...]  # any of these values is right
    picture: Tensor  # [H, W, 3] 0..1


Maker = Callable[[Studio, Portrait], Variation | None]


def ordinary(portrait: Portrait) -> bool:
    """Whether it is a portrait of which the truth can be known.

    It is upright, not in profile, wide enough to be told in full, and its eyes are open and seen.
    """
    pitch, yaw, roll = (math.degrees(float(a)) for a in rotation_angles(portrait.head.rotation))
    upright = abs(pitch) < 25.0 and abs(yaw) < 25.0 and abs(roll) < 20.0
    opened = sum(eye_openings(portrait.landmarks)) / 2 > EYES_OPEN
    large = face_width(portrait) >= SMALLEST
    return upright and large and opened and eyes_seen(portrait) >= IRIS


def to_srgb(light: Tensor) -> Tensor:
    """Light 0..1 as sRGB values 0..1."""
    light = light.clamp(0, 1)
    curve = 1.055 * light.clamp_min(1e-9) ** (1 / 2.4) - 0.055
    return torch.where(light <= 0.0031308, 12.92 * light, curve)


def _normal_map(studio: Studio, portrait: Portrait) -> tuple[Tensor, Tensor]:
    """Normals [S, S, 3] of the fitted head and where it is [S, S, 1], soft."""
    fitted, size = portrait.head, portrait.image.shape[0]
    shape = studio.head.shape(fitted.identity, fitted.expression)
    normals = _vertex_normals(shape, studio.head.faces) @ fitted.rotation.T
    points = project(shape, fitted)[None]
    faces = studio.head.part_faces("skin")
    index = rasterise(points[..., :2], points[..., 2], faces, size, size)
    drawn = interpolate(index, points[..., :2], faces, normals)[0]
    inside = (index >= 0).float()[..., None][0]
    both = torch.cat((drawn * inside, inside), 2).permute(2, 0, 1)[None]
    soft = _boxed(both, size // 40)[0].permute(1, 2, 0)
    return F.normalize(soft[..., :3] + torch.tensor([0, 0, 1e-3]), dim=2), soft[..., 3:]


def _boxed(picture: Tensor, reach: int) -> Tensor:
    """[1, C, H, W] averaged over squares of 2 reach + 1 px; what lies outside counts as nothing."""
    odd = 2 * reach + 1
    across = F.avg_pool2d(picture, (1, odd), 1, (0, reach))
    return F.avg_pool2d(across, (odd, 1), 1, (reach, 0))


def evened(light: Tensor, portrait: Portrait, normals: Tensor, inside: Tensor) -> Tensor:
    """Light [S, S, 3] of a face whose cheeks became equally bright, by a gain over the normals."""
    low, high = -4.0, 4.0
    for _ in range(20):
        gain = (low + high) / 2
        out = light * torch.exp(gain * normals[..., :1] * inside)
        ratio = cheeks(to_srgb(out), portrait.landmarks)
        low, high = (gain, high) if ratio < 1.0 else (low, gain)
    return out


def lit_from(side: str) -> Maker:
    """A face whose cheeks were made equally bright, then lit from one side."""

    def make(studio: Studio, portrait: Portrait) -> Variation | None:
        own = cheeks(portrait.image, portrait.landmarks)
        if max(own, 1 / own) > UNEVEN:
            return None  # hard shadows, which no gain makes even
        normals, inside = _normal_map(studio, portrait)
        light = evened(to_linear(portrait.image), portrait, normals, inside)
        sign = 1.0 if side == "right" else -1.0
        shade = AMBIENT + (1 - AMBIENT) * (0.5 + 0.5 * sign * normals[..., :1] / TURN).clamp(0, 1)
        # a lamp that lights one side of a face in the dark is seen on it
        toward = inside * (sign * normals[..., :1] > TURN)
        bright = float((light * toward).sum() / (3 * toward.sum()).clamp_min(1e-6))
        shade = shade * max(1.0, LAMP / max(bright, 1e-4))
        lit = to_srgb(light * (1 + inside * (shade - 1)))
        picture = paste_back(lit[None], portrait)[0]
        return Variation(kind=f"light {side}", subject="light", truth=(side,), picture=picture)

    return make


def exposed(mean: float, truth: str) -> Maker:
    """The picture's mean brightness brought to a value, by exposure."""

    def make(studio: Studio, portrait: Portrait) -> Variation:
        light = to_linear(portrait.source)
        low, high = 1e-3, 1e3
        for _ in range(30):
            gain = math.sqrt(low * high)
            picture = to_srgb(light * gain)
            luma = float((picture @ torch.tensor([0.299, 0.587, 0.114])).mean())
            low, high = (gain, high) if luma < mean else (low, gain)
        return Variation(kind=truth, subject="brightness", truth=(truth,), picture=picture)

    return make


def tinted(truth: str) -> Maker:
    """Colours around the face made neutral, then lit by a lamp (3500 K) or a blue sky (12000 K)."""
    gains = {"warm": (1.32, 1.0, 0.55), "cool": (0.70, 1.0, 1.50)}[truth]

    def make(studio: Studio, portrait: Portrait) -> Variation | None:
        light = to_linear(portrait.source)
        lab, face = small_lab(portrait)
        small = F.interpolate(light.permute(2, 0, 1)[None], lab.shape[:2], mode="area")[0]
        mean = small[:, ~face].mean(1).clamp_min(1e-4)
        gain = mean.mean() / mean
        if float(gain.max() / gain.min()) > 2.5:
            return None  # one colour fills it: nothing makes that neutral
        neutral = light * gain
        picture = to_srgb(neutral * torch.tensor(gains))
        return Variation(kind=truth, subject="warmth", truth=(truth,), picture=picture)

    return make


def _moved(
    studio: Studio,
    portrait: Portrait,
    change: dict[str, float],
    degrees: tuple[float, ...] = (0, 0, 0),
) -> Tensor:
    """The picture with coefficients changed and the head turned by pitch, yaw, roll."""
    coefficients = portrait.head.expression.clone()
    for name, value in change.items():
        coefficients[ARKIT_INDEX[name]] = value
    frames = MotionFrames(studio.head, portrait)
    angles = torch.tensor([[math.radians(one) for one in degrees]])
    drawn = frames.draw(coefficients[None], angles, torch.zeros(1, 3))
    return paste_back(drawn, portrait)[0]


def eyes_shut(studio: Studio, portrait: Portrait) -> Variation:
    """Both eyeBlink at 1."""
    picture = _moved(studio, portrait, {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0})
    return Variation(kind="eyes shut", subject="eyes", truth=("closed",), picture=picture)


def mouth_open(studio: Studio, portrait: Portrait) -> Variation:
    """JawOpen at 0.8."""
    picture = _moved(studio, portrait, {"jawOpen": 0.8, "mouthClose": 0.0})
    return Variation(kind="mouth open", subject="mouth", truth=("open",), picture=picture)


def turned(yaw: float) -> Maker:
    """A frontal head turned to a side by 18°."""

    def make(studio: Studio, portrait: Portrait) -> Variation | None:
        own = math.degrees(float(rotation_angles(portrait.head.rotation)[1]))
        if abs(own) > 7.0:
            return None
        picture = _moved(studio, portrait, {}, (0.0, yaw, 0.0))
        side = "right" if yaw > 0 else "left"
        truth = (f"slightly {side}", side)
        return Variation(kind=f"turned {side}", subject="turn", truth=truth, picture=picture)

    return make


def leaning(degrees: float) -> Maker:
    """The whole picture turned about its middle; an upright head then leans."""

    def make(studio: Studio, portrait: Portrait) -> Variation | None:
        own = math.degrees(float(rotation_angles(portrait.head.rotation)[2]))
        if abs(own) > 5.0:
            return None
        source = portrait.source.permute(2, 0, 1)[None]
        height, width = source.shape[2:]
        c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        theta = torch.tensor([[[c, -s * height / width, 0.0], [s * width / height, c, 0.0]]])
        grid = F.affine_grid(theta, list(source.shape), align_corners=False)
        picture = F.grid_sample(source, grid, padding_mode="border", align_corners=False)
        # a positive angle samples clockwise, so that the picture turns counterclockwise
        side = "left" if degrees > 0 else "right"
        return Variation(
            kind=f"leaning {side}",
            subject="tilt",
            truth=(side,),
            picture=picture[0].permute(1, 2, 0).clamp(0, 1),
        )

    return make


def cropped(under: float, truth: str) -> Maker:
    """Cut so that a known number of face heights lies under the chin."""

    def make(studio: Studio, portrait: Portrait) -> Variation | None:
        points = portrait.landmarks[[10, 152], :2] @ portrait.to_source[:, :2].T
        top, chin = (points + portrait.to_source[:, 2]).unbind(0)
        face = float((chin - top).norm())
        height, width = portrait.source.shape[:2]
        bottom = float(chin[1]) + under * face
        room = 0.1 if truth == "extreme close-up" else 0.5
        start = max(float(top[1]) - room * face, 0.0)
        if bottom > height or start > float(top[1]) - 0.05 * face or face < 60:
            return None
        side = bottom - start
        left = min(max(float(chin[0]) - side / 2, 0.0), max(width - side, 0.0))
        cut = portrait.source[round(start) : round(bottom), round(left) : round(left + side)]
        return Variation(kind=truth, subject="framing", truth=(truth,), picture=cut)

    return make


def _leaves(height: int, width: int, face: float, seed: int) -> Tensor:
    """Discs that cover each other, as sharp as pixels allow, [H, W, 3]: like leaves or a crowd."""
    generator = torch.Generator().manual_seed(seed)
    out = torch.full((height, width, 3), 0.4)
    for _ in range(2000):
        u = torch.rand(6, generator=generator)
        radius = face * 0.03 / (0.12 + float(u[0]))
        x, y = float(u[1]) * width, float(u[2]) * height
        left, top = max(int(x - radius), 0), max(int(y - radius), 0)
        patch = out[top : int(y + radius) + 1, left : int(x + radius) + 1]
        down = torch.arange(patch.shape[0])[:, None] + top + 0.5 - y
        across = torch.arange(patch.shape[1]) + left + 0.5 - x
        patch[down.square() + across.square() < radius * radius] = 0.15 + 0.7 * u[3:]
    return out


def backdrop(truth: str) -> Maker:
    """What is behind the head exchanged for discs, sharp, or out of focus."""

    def make(studio: Studio, portrait: Portrait) -> Variation | None:
        points = portrait.landmarks[:, :2] @ portrait.to_source[:, :2].T + portrait.to_source[:, 2]
        low, high = points.amin(0), points.amax(0)
        middle, (w, h) = (low + high) / 2, (high - low).tolist()
        height, width = portrait.source.shape[:2]
        if w < 80:
            return None
        leaves = _leaves(height, width, w, round(float(middle.sum())))
        if truth == "blurred":
            reach = 2 * round(0.06 * w) + 1
            stack = leaves.permute(2, 0, 1)[None]
            for _ in range(3):  # three boxes are nearly a Gaussian
                stack = F.avg_pool2d(stack, reach, 1, reach // 2, count_include_pad=False)
            leaves = stack[0].permute(1, 2, 0)
        y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
        across, down = (x - middle[0]) / w, (y - middle[1]) / h
        head = (across / 1.0).square() + ((down + 0.1) / 1.0).square() < 1.0
        body = (down > 0.0) & (across.abs() < 0.8 + 1.5 * (down - 0.3).clamp(0.0, 1.0))
        keep = (head | body)[..., None].float()
        if float(keep.mean()) > 1 - SURROUNDINGS:
            return None
        picture = keep * portrait.source + (1 - keep) * leaves
        return Variation(kind=truth, subject="background", truth=(truth,), picture=picture)

    return make


MAKERS: dict[str, Maker] = {
    "light left": lit_from("left"),
    "light right": lit_from("right"),
    "dark": exposed(0.15, "dark"),
    "bright": exposed(0.75, "bright"),
    "warm": tinted("warm"),
    "cool": tinted("cool"),
    "turned left": turned(-18.0),
    "turned right": turned(18.0),
    "leaning left": leaning(16.0),
    "leaning right": leaning(-16.0),
    "extreme close-up": cropped(0.12, "extreme close-up"),
    "close-up": cropped(0.45, "close-up"),
    "head and shoulders": cropped(1.0, "head and shoulders"),
    "medium close-up": cropped(1.45, "medium close-up"),
    "upper body": cropped(2.8, "upper body"),
    "blurred": backdrop("blurred"),
    "sharp": backdrop("sharp"),
    "eyes shut": eyes_shut,
    "mouth open": mouth_open,
}

SUBJECTS = {
    kind: subject
    for subject, kinds in {
        "light": ("light left", "light right"),
        "brightness": ("dark", "bright"),
        "warmth": ("warm", "cool"),
        "turn": ("turned left", "turned right"),
        "tilt": ("leaning left", "leaning right"),
        "framing": (
            "extreme close-up",
            "close-up",
            "head and shoulders",
            "medium close-up",
            "upper body",
        ),
        "background": ("blurred", "sharp"),
        "eyes": ("eyes shut",),
        "mouth": ("mouth open",),
    }.items()
    for kind in kinds
}
