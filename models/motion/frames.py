"""Motion frames: the photo moved by coefficients and head pose, drawn without any learning.

Shapes: T frames in all, B of a chunk, H W crop px, N vertices.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from ..head import HeadModel
from ..landmarks import EYES
from ..raster import interpolate, rasterise
from ..types import Motion, Portrait
from .affine import similarity
from .eyes import Eyes
from .mouth import Mouth
from .photo_mesh import PhotoMesh
from .windows import FineWindows

CHUNK = 8  # frames drawn at once


class MotionFrames:
    """Draws one portrait in motion."""

    def __init__(
        self, head: HeadModel, portrait: Portrait, device: torch.device | None = None
    ) -> None:
        """Prepare what does not change from frame to frame.

        Args:
            head: The parametric head to which the portrait was fitted.
            portrait: Who is drawn.
            device: Where frames are drawn; the CPU unless given.
        """
        self.device = device or torch.device("cpu")
        mesh = PhotoMesh(portrait, head)
        self.mesh = mesh.to(self.device)
        self.image = portrait.image.to(self.device)
        self.windows = FineWindows(self.image, self.mesh)
        self.eyes = Eyes(self.image, self.mesh)
        self.mouth = Mouth(portrait, head, self.mesh, self.image)

    def render(
        self,
        motion: Motion,
        *,
        chunk: int = CHUNK,
        on_step: Callable[[int, int], None] | None = None,
    ) -> Iterator[Tensor]:
        """Frames [B, H, W, 3] 0..1 on the CPU, a chunk at a time, in order.

        Args:
            motion: T frames of it.
            chunk: Frames at once; memory grows with it, results do not change.
            on_step: Called with frames done and T before each chunk, to show progress or to stop.
        """
        for start in range(0, motion.frames, chunk):
            if on_step:
                on_step(start, motion.frames)
            part = slice(start, start + chunk)
            yield self.draw(
                motion.coefficients[part], motion.head_rotation[part], motion.head_translation[part]
            ).cpu()
        if on_step:
            on_step(motion.frames, motion.frames)

    def draw(self, coefficients: Tensor, rotation: Tensor, translation: Tensor) -> Tensor:
        """Frames [B, H, W, 3] of coefficients [B, 52] and head poses [B, 3] and [B, 3]."""
        coefficients = coefficients.to(self.device)
        rotation, translation = rotation.to(self.device), translation.to(self.device)
        points = self.mesh(coefficients, rotation, translation)
        frames = self._warp(points)
        self.windows.paint(frames, points, coefficients)
        corners = [k for eye in EYES for k in (eye.upper[0], eye.upper[-1])]
        pose = similarity(points[:, corners, :2], self.mesh.rest[corners, :2])
        self.eyes.paint(frames, points, coefficients, pose)
        self.mouth.paint(frames, points, coefficients, rotation, translation)
        return frames.clamp(0, 1)

    def _warp(self, points: Tensor) -> Tensor:
        """The photo drawn on the moved mesh: [B, H, W, 3]."""
        size = self.image.shape[0]
        mesh = self.mesh
        wide, _ = self._flow(points, mesh.faces, mesh.behind, 4)
        face, covered = self._flow(points, mesh.face_faces, mesh.face_behind, 2)
        half = face.shape[2]
        wide = F.interpolate(wide, scale_factor=2, mode="bilinear", align_corners=False)
        flow = torch.where(covered, face, wide[:, :, :half, :half])
        flow = F.interpolate(flow, scale_factor=2, mode="bilinear", align_corners=False)
        flow = flow[:, :, :size, :size].permute(0, 2, 3, 1)
        at = (flow + _centres(size, 1, flow)) / size * 2 - 1
        photo = self.image.permute(2, 0, 1)[None].expand(len(points), -1, -1, -1)
        out = F.grid_sample(photo, at, padding_mode="border", align_corners=False)
        return out.permute(0, 2, 3, 1)

    def _flow(
        self, points: Tensor, faces: Tensor, behind: Tensor, step: int
    ) -> tuple[Tensor, Tensor]:
        """Way from frame to photo in px at every step-th pixel, and where there are triangles.

        Returns:
            [B, 2, h, w], zero without a triangle; [B, 1, h, w] bool.
        """
        side = -(-self.image.shape[0] // step)
        xy = points[..., :2] / step
        depth = points[..., 2] + self.mesh.order
        index = rasterise(xy, depth, faces, side, side, behind)
        place = interpolate(index, xy, faces, self.mesh.rest[:, :2])
        covered = (index >= 0)[:, None]
        flow = (place - _centres(side, step, place)).permute(0, 3, 1, 2).contiguous()
        return torch.where(covered, flow, 0.0), covered


def _centres(side: int, step: int, like: Tensor) -> Tensor:
    """Pixel centres [side, side, 2] of a grid whose cells are step px wide."""
    steps = step * (torch.arange(side, device=like.device, dtype=like.dtype) + 0.5)
    return torch.stack((steps.expand(side, -1), steps[:, None].expand(-1, side)), -1)
