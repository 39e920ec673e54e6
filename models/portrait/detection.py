"""Search of a whole picture for faces, large and small.

Shapes: H W pixels of the picture, N candidates.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .blazeface import SIZE, STRIDE, BlazeFace
from .regions import overlap

SMALLEST = 32  # px, width of the smallest face that is searched for
SCORE = 0.5  # a candidate below is no face
_FOUND = 16  # network px, width of the smallest face that the network finds with certainty
_LONGEST = 4096  # network px, longer side of the finest search: caps the cost
_TILE = 1024  # network px, side of a piece that is searched at once: caps the memory
_SEAM = 128  # network px that neighbouring pieces share
_DETAIL = 8  # faces so many times narrower than the largest one are not searched for
_SAME = 0.6  # boxes that share so much of the smaller one are one face


@dataclass(frozen=True, eq=False, kw_only=True)
class FaceBox:
    """A face that the detector sees, in px of the picture."""

    box: Tensor  # [4] x0, y0, x1, y1, from brows to chin
    points: Tensor  # [6, 2] right eye, left eye, nose tip, mouth, right ear, left ear
    score: float  # 0..1


def search(detector: BlazeFace, levels: list[Tensor]) -> list[FaceBox]:
    """Faces down to 32 px in width, largest first.

    The picture is searched at growing size, until finer searches could only find faces under an
    eighth of the largest one, or under 32 px.

    Args:
        detector: The network.
        levels: `halvings` of one picture [1, 3, H, W] 0..1.
    """
    longer = max(levels[0].shape[-2:])
    finest = min(_LONGEST, longer * _FOUND / SMALLEST)
    faces: list[FaceBox] = []
    length = SIZE // 2  # the picture with a wide border first: faces that fill it
    while True:
        faces = _merge(faces + list(_candidates(detector, levels, length)))
        widest = max((float(face.box[2] - face.box[0]) for face in faces), default=0.0)
        just_found = _FOUND * longer / length  # px, the smallest face found by now
        if length >= max(finest, SIZE) or just_found < widest / _DETAIL:
            break
        length *= 2
    return sorted(faces, key=lambda face: -float((face.box[2:] - face.box[:2]).prod()))


def _candidates(detector: BlazeFace, levels: list[Tensor], length: int) -> Iterator[FaceBox]:
    """What the detector sees in the picture when its longer side is `length` network px."""
    height, width = levels[0].shape[-2:]
    scale = length / max(height, width)
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    level = levels[0]
    for smaller in levels[1:]:
        if max(smaller.shape[-2:]) >= length:
            level = smaller
    # A halving may have dropped an odd last row or column: this is what `level` covers.
    covered = torch.tensor([level.shape[-1], level.shape[-2]]) * 2 ** (
        next(index for index, other in enumerate(levels) if other is level)
    )
    picture = F.interpolate(level, size=size, mode="bilinear", antialias=True)
    network = torch.tensor([size[1], size[0]])
    canvas = [max(SIZE, -(-side // STRIDE) * STRIDE) for side in size]
    top, left = (canvas[0] - size[0]) // 2, (canvas[1] - size[1]) // 2
    border = (left, canvas[1] - size[1] - left, top, canvas[0] - size[0] - top)
    picture = F.pad(picture * 2 - 1, border, value=-1.0).contiguous(
        memory_format=torch.channels_last
    )
    for y in range(0, max(1, canvas[0] - _SEAM), _TILE - _SEAM):
        for x in range(0, max(1, canvas[1] - _SEAM), _TILE - _SEAM):
            shapes, scores = detector(picture[:, :, y : y + _TILE, x : x + _TILE])
            seen = scores[0] > SCORE
            origin = torch.tensor([x - left, y - top])
            for shape, score in zip(shapes[0, seen].cpu(), scores[0, seen].tolist(), strict=True):
                centre, half = shape[0] + origin, shape[1].abs() / 2
                points = torch.stack([centre - half, centre + half, *(shape[2:] + origin)])
                points = points * covered / network  # [8, 2] px of the picture
                yield FaceBox(box=points[:2].flatten(), points=points[2:], score=score)


def _merge(candidates: list[FaceBox]) -> list[FaceBox]:
    """One face for each group of boxes that lie on each other: their mean, weighted by score."""
    if not candidates:
        return []
    boxes = torch.stack([candidate.box for candidate in candidates])
    points = torch.stack([candidate.points for candidate in candidates])
    scores = torch.tensor([candidate.score for candidate in candidates])
    merged = []
    left = scores.argsort(descending=True)
    while len(left):
        best = int(left[0])
        same = overlap(boxes[best], boxes[left]) > _SAME
        same[0] = True  # a box without area too
        group = left[same]
        weights = scores[group] / scores[group].sum()
        merged.append(
            FaceBox(
                box=(boxes[group] * weights[:, None]).sum(0),
                points=(points[group] * weights[:, None, None]).sum(0),
                score=candidates[best].score,
            )
        )
        left = left[~same]
    return merged
