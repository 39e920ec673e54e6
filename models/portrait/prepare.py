"""From a picture to a Portrait: choose the face, cut out the head, fit the parametric head.

Shapes: H0 W0 the picture, S the crop's side, all px.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from ..head import HeadModel, rotation_angles
from ..types import Face, Portrait
from .fit import fit_head
from .landmarker import FaceLandmarker

MIN_FACE = 32.0  # px, width of a face in the picture
MAX_YAW = math.radians(60)  # of the photo: beyond it half of the face is not seen
ROOM = 2.3  # side of the crop in face heights, chin to hairline
RISE = 0.06  # the crop's centre over the face's, in face heights


def prepare_portrait(
    image: Tensor,
    *,
    landmarker: FaceLandmarker,
    head: HeadModel,
    size: int = 512,
    face_index: int | None = None,
    face_box: Tensor | None = None,
    landmarks: Tensor | None = None,
) -> Portrait:
    """The head of one person in a picture, ready to be animated.

    Args:
        image: [H0, W0, 3] 0..1.
        landmarker: Finds faces, landmarks and the photo's own expression.
        head: Is fitted to the landmarks.
        size: Side of the square head crop in px, 128 to 2048.
        face_index: Which face, counted from the largest; None is the largest.
        face_box: [4] x0, y0, x1, y1 px; looks only there.
        landmarks: [478, 3] px of the picture, from another landmarker, instead of our own.

    Raises:
        ValueError: No face, an index out of range, a face under 32 px, one turned over 60°, a
            crop of another size, or landmarks that are no numbers or no face.
    """
    if not 128 <= size <= 2048:
        raise ValueError(f"'size' is {size}. Use a crop of 128 to 2048 px.")
    face = _choose(image, landmarker, face_index, face_box)
    if landmarks is not None:
        if not bool(landmarks.isfinite().all()):
            raise ValueError(
                "'face_landmarks' holds values that are no numbers. Connect the landmarks of one "
                "face, or nothing."
            )
        face = replace(face, landmarks=landmarks)
    width = float(face.landmarks[:, 0].max() - face.landmarks[:, 0].min())
    if width < MIN_FACE:
        raise ValueError(
            f"The face in 'image' is {width:.0f} px wide. Use a picture where it is at least "
            f"{MIN_FACE:.0f} px, better 200 px or more."
        )
    left, top, side = _crop_box(face.landmarks, image.shape[0], image.shape[1])
    ratio = side / size
    corner = torch.tensor([left, top, 0.0])
    inside = (face.landmarks - corner) / ratio
    fitted = fit_head(inside, face.coefficients, head)
    yaw = float(rotation_angles(fitted.rotation)[1])
    if abs(yaw) > MAX_YAW:
        raise ValueError(
            f"The face in 'image' is turned {abs(math.degrees(yaw)):.0f}° to the side. Use a "
            "picture where it is turned less than 60°."
        )
    return Portrait(
        image=_cut(image, left, top, side, size),
        landmarks=inside,
        head=fitted,
        source=image,
        to_source=torch.tensor([[ratio, 0.0, left], [0.0, ratio, top]]),
    )


def _choose(
    image: Tensor, landmarker: FaceLandmarker, index: int | None, box: Tensor | None
) -> Face:
    faces = landmarker.faces(image, box)
    if not faces:
        where = "'image'" if box is None else "the 'face_box' of 'image'"
        raise ValueError(
            f"No face found in {where}. Use a picture where the face is at least 64 px wide and "
            "not covered, or connect 'face_box'."
        )
    number = index or 0
    if not 0 <= number < len(faces):
        raise ValueError(
            f"'face_index' is {number}, but 'image' has {len(faces)} "
            f"{'face' if len(faces) == 1 else 'faces'}. Use 0 to {len(faces) - 1}; 0 is the "
            "largest."
        )
    return faces[number]


def _crop_box(landmarks: Tensor, height: int, width: int) -> tuple[int, int, int]:
    """Left, top and side of the square crop in px, inside the picture where it fits."""
    low, high = landmarks[:, :2].amin(0), landmarks[:, :2].amax(0)
    extent = float((high - low).max())
    side = max(round(min(ROOM * extent, max(height, width))), 2)
    middle = (low + high) / 2
    left = round(float(middle[0]) - side / 2)
    top = round(float(middle[1]) - RISE * extent - side / 2)
    left = min(max(left, 0), width - side) if side <= width else round((width - side) / 2)
    top = min(max(top, 0), height - side) if side <= height else round((height - side) / 2)
    return left, top, side


def _cut(image: Tensor, left: int, top: int, side: int, size: int) -> Tensor:
    """The square [size, size, 3]; what lies outside the picture repeats its border."""
    height, width = image.shape[:2]
    rows = torch.arange(top, top + side).clamp(0, height - 1)
    columns = torch.arange(left, left + side).clamp(0, width - 1)
    square = image[rows][:, columns].permute(2, 0, 1)[None]
    if side != size:
        square = F.interpolate(square, (size, size), mode="bicubic", antialias=True)
    return square[0].permute(1, 2, 0).clamp(0, 1).contiguous()
