"""Eyeballs that stay behind the lids, turn with the gaze, and never smear.

The eye of the photo, continued beyond its lids, is drawn where the moved lids leave it open.

Shapes: B frames, H W crop px, h w px of an eye's window.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..landmarks import EYES, EyePoints
from ..types import ARKIT_INDEX
from .affine import through
from .fill import carry_over_edge, extend_columns
from .photo_mesh import PhotoMesh
from .polygon import signed_distance, smooth_loop, window

GAZE = (0.22, 0.13)  # travel of the iris in eye widths, across and up, at coefficient 1
LASHES = 0.09  # of the eye's width inside the lids that may hold lashes
SHADE = 0.35  # of the light that a half closed lid takes from the eye under it
SHUT = 0.7  # how far lids have come down from where on they meet in a line
SEAM = 2.0  # px beside that line in which the lids' mesh is ragged
LINE = 0.02  # of the eye's width: how thick the line is
OPEN = 0.12  # of the eye's width between the lids of an eye that is open, at least half of it
DARK = 0.65  # how much of the lashes' colour it has
ROOM = 0.35  # of the eye's width, kept around it for the continued texture


class Eyes:
    """Draws both eyes of one portrait over its moved face."""

    def __init__(self, image: Tensor, mesh: PhotoMesh) -> None:
        """Args: image: [H, W, 3] the crop. mesh: Its vertices."""
        self.mesh = mesh
        self.size = image.shape[0]
        self.textures = [self._continued(image, eye) for eye in EYES]
        self.lashes = [self._lashes(image, eye) for eye in EYES]

    def paint(self, frames: Tensor, points: Tensor, coefficients: Tensor, pose: Tensor) -> None:
        """Draw the eyes into frames, in place.

        Args:
            frames: [B, H, W, 3].
            points: [B, N, 3] the moved vertices.
            coefficients: [B, 52].
            pose: [B, 2, 3] affine from px of the frame to px of the photo, at the eyes.
        """
        change = coefficients - self.mesh.own
        for eye, (texture, corner), lashes in zip(EYES, self.textures, self.lashes, strict=True):
            loop = smooth_loop(points[:, eye.loop, :2])
            left, top, width, height = window(loop, 4, self.size)
            gap, moved, closed = self._lids(eye, points)
            inside = signed_distance(loop, left, top, width, height)
            alpha = (inside + 0.5).clamp(0, 1)
            alpha = alpha * (gap / 2).clamp(0, 1)[:, None, None]
            photo = through(pose, left, top, width, height)  # [B, h, w, 2]
            photo = photo - self._gaze(eye, change)[:, None, None]
            extent = torch.tensor([texture.shape[3], texture.shape[2]], device=photo.device)
            at = (photo - corner) / extent * 2 - 1
            ball = F.grid_sample(
                texture.expand(len(frames), -1, -1, -1),
                at,
                padding_mode="border",
                align_corners=False,
            ).permute(0, 2, 3, 1)
            ball = ball[..., :3].lerp(ball[..., 3:], moved[:, None, None, None])
            edge = torch.exp(-inside.clamp(min=0) / (0.1 * self._width(eye)))
            ball = ball * (1 - SHADE * closed[:, None, None] * edge)[..., None]
            patch = frames[:, top : top + height, left : left + width]
            shut = self._awake(eye) * ((closed - SHUT) / (1 - SHUT)).clamp(0, 1)[:, None, None]
            near = (inside + SEAM + 0.5).clamp(0, 1) * shut
            patch += near[..., None] * (carry_over_edge(patch, inside, SEAM) - patch)
            patch += alpha[..., None] * (ball - patch)
            line = (LINE / 2 * self._width(eye) + 0.5 + inside).clamp(0, 1) * shut
            patch += (DARK * line)[..., None] * (lashes - patch)

    def _lids(self, eye: EyePoints, points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mean gap between the lids [B] px, how far it is from the photo's and how much smaller."""
        upper, lower = list(eye.upper[1:-1]), list(eye.lower)
        rest = self._rest_gap(eye)
        gap = ((points[:, lower] - points[:, upper]) @ self.mesh.down).clamp(min=0).mean(1)
        change = (gap - rest) / rest.abs().clamp(min=1)
        return gap, (5 * change.abs()).clamp(0, 1), (-change).clamp(0, 1)

    def _awake(self, eye: EyePoints) -> float:
        """0 for a photo's eye that is closed as it is, 1 for an open one."""
        return float((self._rest_gap(eye) / self._width(eye) / OPEN - 0.5).clamp(0, 1))

    def _rest_gap(self, eye: EyePoints) -> Tensor:
        """Mean gap between the lids in the photo, px."""
        upper, lower = list(eye.upper[1:-1]), list(eye.lower)
        gap: Tensor = ((self.mesh.rest[lower] - self.mesh.rest[upper]) @ self.mesh.down).mean()
        return gap

    def _lashes(self, image: Tensor, eye: EyePoints) -> Tensor:
        """The darkest colour [3] along the upper lid's edge."""
        edge = self.mesh.rest[list(eye.upper[1:-1]), :2]
        lines = torch.cat([edge - k * self.mesh.down[:2] for k in range(3)]).long()
        x, y = lines.clamp(0, self.size - 1).unbind(1)
        colours = image[y, x]
        return colours[colours.mean(1).argsort()[: len(colours) // 4]].mean(0)

    def _width(self, eye: EyePoints) -> float:
        corners = self.mesh.rest[[eye.upper[0], eye.upper[-1]], :2]
        return float((corners[0] - corners[1]).norm())

    def _gaze(self, eye: EyePoints, change: Tensor) -> Tensor:
        """Travel of the iris in photo px: [B, 2]."""

        def value(name: str) -> Tensor:
            return change[:, ARKIT_INDEX[f"eyeLook{name}{eye.side}"]]

        outward = value("Out") - value("In")
        right = outward if eye.side == "Left" else -outward  # of the picture
        up = value("Up") - value("Down")
        down = self.mesh.down[:2]
        across = torch.stack((down[1], -down[0]))
        travel = GAZE[0] * right[:, None] * across - GAZE[1] * up[:, None] * down
        shift: Tensor = travel * self._width(eye)
        return shift

    def _continued(self, image: Tensor, eye: EyePoints) -> tuple[Tensor, Tensor]:
        """The eye's picture and the same continued beyond its lids [1, 6, h, w]; its corner [2]."""
        loop = smooth_loop(self.mesh.rest[None, eye.loop, :2])
        width = float(loop[0, :, 0].max() - loop[0, :, 0].min())
        left, top, w, h = window(loop, round(ROOM * width) + 2, self.size)
        inside = signed_distance(loop, left, top, w, h)[None]
        patch = image[top : top + h, left : left + w].permute(2, 0, 1)[None]
        deepest = float(inside.max())
        filled = extend_columns(patch, (inside > min(LASHES * width, 0.5 * deepest)).float())
        corner = torch.tensor([left, top], dtype=image.dtype, device=image.device)
        return torch.cat((patch, filled), 1), corner
