"""Faces of a picture or video: box, 478 landmarks and 52 coefficients.

Shapes: H W pixels, T video frames, N faces.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from ..checkpoint import WEIGHTS, fill_module, load_checkpoint
from ..types import Face, Portrait
from .blazeface import BlazeFace
from .blendshapes import BlendshapeMixer
from .detection import FaceBox, search
from .face_mesh import SIZE, FaceMesh
from .regions import crop, halvings, overlap, region_of_box, region_of_landmarks, to_picture

FORMAT = "synchrorama.face_landmarker"
PRESENCE = 0.5  # below, the mesh network sees no face
_PASSES = 3  # of the mesh network over a photo, each in the region that the one before found
_MOST_FACES = 32  # of one picture, the largest ones
_CHUNK = 16  # video frames in one pass
# regions beside the one of a face: times its side, radians, sides to the right and down
_ASIDE = ((1.2, 0.0, 0.0, 0.0), (0.87, 0.0, 0.0, 0.0), (1.0, 0.3, 0.0, 0.0), (1.0, -0.3, 0.0, 0.0),
          (1.0, 0.0, 0.08, 0.0), (1.0, 0.0, -0.08, 0.0), (1.0, 0.0, 0.0, 0.08),
          (1.0, 0.0, 0.0, -0.08))  # fmt: skip
_EDGES = (234, 454)  # landmarks at the edges of the face


class FaceLandmarker(nn.Module):
    """Google's Face Landmarker: detector, mesh and blendshape networks in a row.

    Results are on the CPU; the work is done where the weights are.
    """

    def __init__(self) -> None:
        super().__init__()
        self.detector = BlazeFace()
        self.mesh = FaceMesh()
        self.blendshapes = BlendshapeMixer()

    @classmethod
    def from_checkpoint(
        cls, path: Path = WEIGHTS / "face_landmarker.safetensors"
    ) -> FaceLandmarker:
        """The landmarker with the weights of a file.

        Raises:
            CheckpointError: The file is missing, cut short, or for something else.
        """
        tensors, _ = load_checkpoint(path, FORMAT)
        landmarker = cls()
        fill_module(landmarker, tensors, path.name)
        return landmarker

    @torch.inference_mode()
    def detect(self, image: Tensor) -> list[FaceBox]:
        """Boxes of the faces in a picture, largest first.

        Args:
            image: [H, W, 3] 0..1, any size.
        """
        return search(self.detector, halvings(self._pictures(image[None])))

    @torch.inference_mode()
    def faces(self, image: Tensor, box: Tensor | None = None) -> list[Face]:
        """The faces in a picture, largest first; none is an empty list.

        Args:
            image: [H, W, 3] 0..1, any size.
            box: [4] x0, y0, x1, y1 in px: where the one face is; the picture is then not searched.
        """
        levels = halvings(self._pictures(image[None]))
        if box is None:
            found = search(self.detector, levels)[:_MOST_FACES]
            regions = [_region(face) for face in found]
            scores: list[float | None] = [face.score for face in found]
        else:
            regions, scores = [region_of_box(box.detach().cpu().float())], [None]
        faces: list[Face] = []
        for region, score in zip(regions, scores, strict=True):
            region = region[None]
            for _ in range(_PASSES):
                landmarks, presence = self._mesh(levels, region)
                region = region_of_landmarks(landmarks)
                if presence[0] <= PRESENCE:
                    break
            else:
                faces += self._faces(landmarks, [presence[0] if score is None else score])
        return _distinct(faces)

    def astray(self, portrait: Portrait) -> float:
        """How far a portrait's landmarks lie from those that are found anew in their upright box.

        A face is found again in the same place, from wherever the search begins; what was taken for
        a face, like a hand, a bag or folds, is not, and seldom a profile that leans.

        Args:
            portrait: With its picture.

        Returns:
            Mean distance in widths of the face; infinite where none is found.
        """
        points = portrait.landmarks[:, :2] @ portrait.to_source[:, :2].T + portrait.to_source[:, 2]
        low, high = points.amin(0), points.amax(0)
        found = self.faces(portrait.source, torch.cat((low, high)))
        if not found:
            return math.inf
        away = (found[0].landmarks[:, :2] - points).norm(dim=1).mean()
        return float(away / (high[0] - low[0]))

    @torch.inference_mode()
    def unsteady(self, portrait: Portrait) -> float:
        """How far a portrait's landmarks move when it is looked at from a little beside.

        In regions a little larger, smaller, turned or moved a person's landmarks stay where they
        are; on an animal, a toy or a face that is hardly seen they wander.

        Args:
            portrait: With its picture.

        Returns:
            Mean distance in widths of the face.
        """
        points = portrait.landmarks[:, :2] @ portrait.to_source[:, :2].T + portrait.to_source[:, 2]
        region = region_of_landmarks(points[None])[0]
        regions = region.expand(len(_ASIDE) + 1, 4).clone()
        grown, turned, across, down = region.new_tensor([(1.0, 0.0, 0.0, 0.0), *_ASIDE]).unbind(1)
        regions[:, 0] += across * region[2]
        regions[:, 1] += down * region[2]
        regions[:, 2] *= grown
        regions[:, 3] += turned
        levels = halvings(self._pictures(portrait.source[None]))
        levels = [level.expand(len(regions), -1, -1, -1) for level in levels]
        landmarks, _ = self._mesh(levels, regions)
        away = (landmarks[1:, :, :2] - landmarks[0, :, :2]).norm(dim=2).mean()
        left, right = points[list(_EDGES)]
        return float(away / (right - left).norm().clamp_min(1e-3))

    @torch.inference_mode()
    def track(
        self,
        frames: Tensor,
        box: Tensor | None = None,
        on_step: Callable[[int, int], None] | None = None,
    ) -> list[Face | None]:
        """One face through a video; None where it is not seen.

        Each frame's landmarks come from a crop that lies on the face of that frame, so that the
        measurement does not depend on the frames before.

        Args:
            frames: [T, H, W, 3] 0..1.
            box: [4] x0, y0, x1, y1 in px: where the face is in the first frame; without it, the
                largest face is taken.
            on_step: Called with (passes over frames done, in all) before each chunk; may raise to
                cancel.
        """
        on_step = on_step or (lambda done, of: None)
        regions = self._follow(frames, box, on_step)
        seen = [index for index, region in enumerate(regions) if region is not None]
        faces: list[Face | None] = [None] * len(frames)
        for first in range(0, len(seen), _CHUNK):
            on_step(len(frames) + first, 2 * len(frames))
            indices = seen[first : first + _CHUNK]
            levels = halvings(self._pictures(frames[indices]))
            chunk = torch.stack([region for i in indices if (region := regions[i]) is not None])
            landmarks, presence = self._mesh(levels, chunk)
            found = self._faces(landmarks, presence)
            for index, face in zip(indices, found, strict=True):
                faces[index] = face if face.score > PRESENCE else None
        return faces

    def _follow(
        self, frames: Tensor, box: Tensor | None, on_step: Callable[[int, int], None]
    ) -> list[Tensor | None]:
        """The region [4] of the face in each frame; None where it is not seen."""
        regions: list[Tensor | None] = [None] * len(frames)
        region = None if box is None else region_of_box(box.detach().cpu().float())
        last = region
        settled = False  # whether `region` was made from frame `start` itself
        start = 0
        while start < len(frames):
            on_step(start, 2 * len(frames))
            if region is None:
                region = self._find(frames[start], last)
                settled = True
                if region is None:
                    start += 1
                    continue
            levels = halvings(self._pictures(frames[start : start + _CHUNK]))
            count = len(levels[0])
            landmarks, presence = self._mesh(levels, region.expand(count, 4))
            own = region_of_landmarks(landmarks)
            good = [
                seen > PRESENCE and _close(own[index], region)
                for index, seen in enumerate(presence)
            ]
            if settled and presence[0] > PRESENCE:
                good[0] = True
            kept = good.index(False) if False in good else count
            for index in range(kept):
                regions[start + index] = own[index]
            if kept:
                region = last = own[kept - 1]
                settled = False
            elif presence[0] > PRESENCE:
                region = last = own[0]
                settled = True
            else:
                start += settled  # found, yet the mesh sees nothing: go on to the next frame
                region = None
            start += kept
        return regions

    def _find(self, frame: Tensor, last: Tensor | None) -> Tensor | None:
        """The region [4] of the largest face, or of the one nearest to the last region."""
        found = self.detect(frame)
        if not found:
            return None
        regions = [_region(face) for face in found]
        if last is None:
            return regions[0]
        middle = last[:2]
        return min(regions, key=lambda region: float((region[:2] - middle).norm()))

    def _pictures(self, frames: Tensor) -> Tensor:
        """Frames [B, H, W, 3] as [B, 3, H, W] where the weights are."""
        return frames[..., :3].movedim(-1, 1).to(self.blendshapes.score_token)

    def _mesh(self, levels: list[Tensor], regions: Tensor) -> tuple[Tensor, list[float]]:
        """Landmarks [B, 478, 3] in px on the CPU, and presence, of one region in each picture."""
        pictures = crop(levels, regions.to(levels[0]), SIZE)
        points, presence = self.mesh(pictures.contiguous(memory_format=torch.channels_last))
        return to_picture(points.float().cpu(), regions.float(), SIZE), presence.tolist()

    def _faces(self, landmarks: Tensor, scores: list[float]) -> list[Face]:
        """Faces from landmarks [N, 478, 3]."""
        coefficients = self.blendshapes(landmarks.to(self.blendshapes.score_token)).float().cpu()
        boxes = torch.cat([landmarks[..., :2].amin(1), landmarks[..., :2].amax(1)], 1)
        return [
            Face(box=box, score=score, landmarks=points, coefficients=values)
            for box, score, points, values in zip(
                boxes, scores, landmarks, coefficients, strict=True
            )
        ]


def _region(face: FaceBox) -> Tensor:
    """The region [4] of a detected face, its eyes level."""
    right_eye, left_eye = face.points[0], face.points[1]
    x, y = (left_eye - right_eye).tolist()
    return region_of_box(face.box, math.atan2(y, x))


def _close(region: Tensor, other: Tensor) -> bool:
    """Whether a face is seen well enough in a region that was made for another place."""
    shift = float((region[:2] - other[:2]).norm() / other[2])
    growth = abs(math.log(float(region[2] / other[2])))
    turn = abs(math.remainder(float(region[3] - other[3]), math.tau))
    return shift < 0.12 and growth < 0.2 and turn < 0.25


def _distinct(faces: list[Face]) -> list[Face]:
    """Each face once, largest first."""
    kept: list[Face] = []
    for face in sorted(faces, key=lambda face: -float((face.box[2:] - face.box[:2]).prod())):
        if not kept or overlap(face.box, torch.stack([k.box for k in kept])).max() < 0.6:
            kept.append(face)
    return kept
