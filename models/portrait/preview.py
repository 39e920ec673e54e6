"""Pictures of what was found: landmarks and fitted mesh over the crop, and the head's mask."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw
from torch import Tensor

from ..head import HeadModel, project
from ..landmarks import EYES, INNER_LIPS, OVAL
from ..raster import rasterise
from ..types import Portrait

MESH_INK = (90, 200, 255, 90)
POINT_INK = (255, 220, 90, 255)
LINE_INK = (255, 130, 60, 255)


def portrait_preview(portrait: Portrait, head: HeadModel) -> Tensor:
    """The crop [H, W, 3], the fitted mesh in blue, landmarks yellow, eyes and lips orange.

    Args:
        portrait: What was prepared.
        head: The head to which it was fitted.
    """
    array = (portrait.image.clamp(0, 1) * 255).round().to(torch.uint8).numpy()
    picture = Image.fromarray(array).convert("RGBA")
    ink = Image.new("RGBA", picture.size)
    draw = ImageDraw.Draw(ink)
    fitted = portrait.head
    points = project(head.shape(fitted.identity, fitted.expression), fitted)
    faces = head.part_faces("skin")
    for triangle in faces[_facing(points, faces)].tolist():
        corners = [(float(points[k, 0]), float(points[k, 1])) for k in triangle]
        draw.line((*corners, corners[0]), fill=MESH_INK, width=1)
    places = [(float(x), float(y)) for x, y in portrait.landmarks[:, :2]]
    for loop in (OVAL, INNER_LIPS, *(eye.loop for eye in EYES)):
        draw.line([places[k] for k in (*loop, loop[0])], fill=LINE_INK, width=1)
    radius = max(portrait.image.shape[0] / 700, 0.6)
    for x, y in places:
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=POINT_INK)
    drawn = Image.alpha_composite(picture, ink).convert("RGB")
    flat = torch.frombuffer(bytearray(drawn.tobytes()), dtype=torch.uint8)
    return flat.view(portrait.image.shape).float() / 255


def portrait_mask(portrait: Portrait, head: HeadModel) -> Tensor:
    """Where the fitted head and neck are in the crop: [H, W] 0..1, with a soft edge of two px."""
    fitted = portrait.head
    size = portrait.image.shape[0]
    points = project(head.shape(fitted.identity, fitted.expression), fitted)[None]
    index = rasterise(points[..., :2], points[..., 2], head.part_faces("skin"), size, size)
    return F.avg_pool2d((index >= 0).float(), 5, 1, 2)[0]


def _facing(points: Tensor, faces: Tensor) -> Tensor:
    """Which triangles face the viewer: [F] bool."""
    a, b, c = points[faces].unbind(1)
    u, v = b - a, c - a
    return u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0] < 0
