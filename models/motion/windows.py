"""Eyes and lips drawn at full resolution: where lids or lips meet they do so in a clean line.

A lid that comes down is stretched from the narrow strip that an open eye shows, lashes and crease
included. As it closes, that strip is replaced by skin continued from around the eye. The dark line
between closed lips is the shadow in which they meet: as they part, it gives way to lip.

Shapes: B frames, H W crop px, h w px of a window, N vertices.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..landmarks import EYES, LOWER_LIP, MOUTH_CORNERS, UPPER_LIP, EyePoints
from ..raster import interpolate, rasterise
from ..types import ARKIT_INDEX
from .fill import continue_outward
from .photo_mesh import PhotoMesh
from .polygon import signed_distance, smooth_loop, window

OUTER_LIPS = (*MOUTH_CORNERS, *UPPER_LIP[-1], *LOWER_LIP[-1])
AROUND = 0.30  # of the eye's width, drawn around the lids
LINE = 0.035  # of the mouth's width, beside the inner lips, that the shadow between them darkens
PARTED = 0.08  # of the mouth's width, by which lips are apart when it has gone
CLEAN_LIPS = 0.8  # share of it that goes
SHUT = 0.025  # of the mouth's width, a gap from which a photo's lips meet in no line
AROUND_MOUTH = 0.12  # of the mouth's width, drawn around the lips
LASHES = 0.28  # of the eye's width, from the lids' edge to where clean skin begins
SAMPLES = 3  # per pixel and axis while an eye closes
CREASE = 0.8  # the same at the fold above the lid
SMOOTH = 0.9  # share of clean skin in a closed lid


class FineWindows:
    """Redraws the skin around the eyes and the lips of one portrait."""

    def __init__(self, image: Tensor, mesh: PhotoMesh) -> None:
        """Args: image: [H, W, 3] the crop. mesh: Its vertices."""
        self.mesh = mesh
        self.size = image.shape[0]
        photo = image.permute(2, 0, 1)[None]
        skin = photo.clone()
        self.windows: list[tuple[Tensor, str | None]] = []  # triangles, and whose lids they hold
        for eye in EYES:
            loop = smooth_loop(mesh.rest[None, eye.loop, :2])
            width = _width(mesh, eye)
            left, top, w, h = window(loop, round(0.8 * width), self.size)
            inside = signed_distance(loop, left, top, w, h)[None]
            patch = photo[:, :, top : top + h, left : left + w]
            clean = continue_outward(patch, (inside < -LASHES * width).float())
            skin[:, :, top : top + h, left : left + w] = clean
            self.windows.append((self._faces_near(loop[0], AROUND * width), eye.side))
        self.has_line = float(mesh.photo_gap[2:7].mean()) < SHUT * mesh.mouth_width
        if self.has_line:
            skin = self._without_line(photo, skin)
        mouth = mesh.rest[list(OUTER_LIPS), :2]
        self.windows.append((self._faces_near(mouth, AROUND_MOUTH * mesh.mouth_width), None))
        self.pictures = torch.cat((photo, skin), 1)  # [1, 6, H, W]
        self.strip = self._strip()

    def paint(self, frames: Tensor, points: Tensor, coefficients: Tensor) -> None:
        """Redraw lids and lips of frames [B, H, W, 3] in place; points [B, N, 3], coefficients."""
        for faces, side in self.windows:
            place = window(points[:, faces.flatten(), :2], 1, self.size)
            if side is None:
                shut = self._parted(points)
            else:
                blink = ARKIT_INDEX[f"eyeBlink{side}"]
                own = self.mesh.own[blink]
                shut = ((coefficients[:, blink] - own) / (1 - own).clamp(min=0.1)).clamp(0, 1)
            left, top, width, height = place
            patch = frames[:, top : top + height, left : left + width]
            colour, covered = self._draw(points, faces, shut, place, side, 1)
            drawn = torch.where(covered > 0, colour, patch)
            if side and bool((shut > 0).any()):  # a lid's edge crosses the grain: smooth it
                colour, covered = self._draw(points, faces, shut, place, side, SAMPLES)
                fine = (SAMPLES * shut).clamp(0, 1)[:, None, None, None]
                drawn = drawn.lerp(colour + (1 - covered) * patch, fine)
            patch.copy_(drawn)

    def _draw(
        self,
        points: Tensor,
        faces: Tensor,
        shut: Tensor,
        place: tuple[int, int, int, int],
        side: str | None,
        samples: int,
    ) -> tuple[Tensor, Tensor]:
        """Colour times coverage [B, h, w, 3] and coverage [B, h, w, 1] of a window's triangles."""
        left, top, width, height = place
        corner = torch.tensor([left, top], device=points.device)
        xy = (points[..., :2] - corner) * samples
        depth = points[..., 2] + self.mesh.order
        index = rasterise(xy, depth, faces, height * samples, width * samples)
        values = torch.cat((self.mesh.rest[:, :2], self.strip), 1)
        seen = interpolate(index, xy, faces, values)
        drawn = F.grid_sample(
            self.pictures.expand(len(points), -1, -1, -1),
            seen[..., :2] / self.size * 2 - 1,
            padding_mode="border",
            align_corners=False,
        )
        share = 1.0 if side is None else SMOOTH * seen[..., 2].clamp(0, 1)
        clean = shut[:, None, None] * share
        covered = (index >= 0).to(drawn.dtype)[:, None]
        colour = drawn[:, :3].lerp(drawn[:, 3:], clean[:, None]) * covered
        both = torch.cat((colour, covered), 1)
        if samples > 1:
            both = F.avg_pool2d(both, samples)
        both = both.permute(0, 2, 3, 1)
        return both[..., :3], both[..., 3:]

    def _without_line(self, photo: Tensor, skin: Tensor) -> Tensor:
        """Pictures [1, 3, H, W] with the shadow between a photo's closed lips in their colour."""
        upper, lower = (self.mesh.rest[list(row[0][1:-1]), :2] for row in (UPPER_LIP, LOWER_LIP))
        line = torch.cat((upper, lower.flip(0)))[None]
        away = -signed_distance(line, 0, 0, self.size, self.size)[None]
        near = (1.5 - away / (LINE * self.mesh.mouth_width)).clamp(0, 1)
        clean = continue_outward(photo, (near <= 0).float())
        return skin + CLEAN_LIPS * near * (clean - skin)

    def _parted(self, points: Tensor) -> Tensor:
        """How far the lips of frames [B, N, 3] are apart beyond the photo's, [B] 0..1."""
        if not self.has_line:
            return torch.zeros(len(points), device=points.device)
        between = points[:, list(LOWER_LIP[0][2:7])] - points[:, list(UPPER_LIP[0][2:7])]
        gap = (between @ self.mesh.down - self.mesh.photo_gap[2:7]).mean(1)
        return (gap / (PARTED * self.mesh.mouth_width)).clamp(0, 1)

    def _faces_near(self, loop: Tensor, reach: float) -> Tensor:
        """Skin triangles [F, 3] within reach of a lid loop [P, 2]."""
        skin = self.mesh.faces[self.mesh.behind == 0]
        skin = skin[~self.mesh.folded[skin].any(1)]
        low, high = loop.amin(0) - reach, loop.amax(0) + reach
        at = self.mesh.rest[:, :2]
        near = ((at > low) & (at < high)).all(1)
        return skin[near[skin].any(1)]

    def _strip(self) -> Tensor:
        """How much of a vertex is stretched lid, [N, 1]: all of it next to the lashes."""
        strip = torch.zeros(len(self.mesh.rest), 1, device=self.mesh.rest.device)
        uppers = torch.tensor([k for eye in EYES for k in eye.upper], device=strip.device)
        followers, leaders = self.mesh.lid_followers
        above = followers[torch.isin(leaders, uppers)]
        strip[self.mesh.parents[above]] = CREASE
        strip[uppers] = 0.0
        strip[: len(self.mesh.parents)] = strip[self.mesh.parents].mean(1)
        strip[above] = 1.0
        return strip


def _width(mesh: PhotoMesh, eye: EyePoints) -> float:
    return float((mesh.rest[eye.upper[0]] - mesh.rest[eye.upper[-1]])[:2].norm())
