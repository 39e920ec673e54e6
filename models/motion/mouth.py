"""The inside of the mouth: the head's own teeth and tongue, lit like the photo, behind the lips.

A photo with an open mouth keeps its own teeth: what it shows between its lips rides with the
skull, and half with a lip that comes down; only what it does not show is painted.

Shapes: B frames, H W crop px, h w px of the mouth's window, Q vertices of teeth and tongue.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..head import HeadModel, project
from ..landmarks import EYES, INNER_LIPS, LIP_CORNERS, LOWER_LIP, UPPER_LIP
from ..raster import interpolate, rasterise
from ..types import ARKIT_INDEX, Portrait
from .affine import similarity, through
from .fill import carry_over_edge, continue_outward
from .parted import PARTED, SKIN
from .photo_mesh import PhotoMesh
from .polygon import signed_distance, smooth_loop, window

PARTS = ("tongue", "lower_teeth", "upper_teeth")
# Albedo of tongue, lower and upper teeth, and of the cavity behind them.
ALBEDO = ((0.66, 0.30, 0.29), (0.84, 0.78, 0.66), (0.92, 0.865, 0.755))
CAVITY = (0.24, 0.09, 0.085)
# Where one tooth ends and the next begins, along the arch from its middle, in head units (177 mm):
# mean crown widths of permanent teeth (Nelson, Wheeler's Dental Anatomy), upper and lower.
UPPER_TEETH = (0.0, 0.048, 0.085, 0.128, 0.168)
LOWER_TEETH = (0.0, 0.030, 0.063, 0.102, 0.142)
CREVICE = 0.0045  # width of the dark line between teeth, head units
CREVICE_STEPS, REACH = 256, 0.25  # of the table of them, and how far along the arch it reaches
# Head units by which the teeth are lowered: 4 mm of the upper ones would show under a lifted lip,
# and the lower ones stay behind theirs.
SHOW = {"upper_teeth": 0.026, "lower_teeth": 0.022}
WHITE_LIT = ((1.08, 0.98, 0.94), (1.22, 0.96, 0.82))  # fair and usual skin over its mean
WHITE = 0.80  # how bright the white of an eye is under full light
OVERLAP = 0.05  # mouth widths by which a photo's own teeth are continued under its lips
BARED = 0.4  # by how much a smile, which lifts the lips off the teeth, brightens them
ASIDE = 0.85  # how much of the shadow on the teeth at the sides it takes away
RIM = 1.5  # px of a lip's soft edge
NOSE = 2  # landmark under it
# An opening jaw draws the upper lip of the parametric head down by up to 6 mm, and would hide teeth
# that photos of open mouths show: they come along by so much of it.
HANG = 0.75
HANG_OWN = 0.5
# A photo's own teeth do so by HANG_OWN, as far as it shows teeth and not the dark: mean brightness
# between its lips over that of the skin, from which they begin to, and from which they do.
SHOWN_FROM, SHOWN_TO = 0.6, 0.85
FILLED = 0.65  # of the gap between the lips that upper teeth fill at most,
FILLED_WIDE = 0.15  # or of a wide one,
FULL_SMILE = 0.4  # unless they are bared by so much
WIDE_FROM, WIDE_TO = 0.2, 0.45  # mouth widths of a gap that begins to be wide, and of a wide one
DROPPED = 0.5  # smile that bares nothing in a wide mouth
REACHES = (0.28, 0.16, 0.16)  # head units into the mouth to which light falls on each of PARTS
PEEK, PEEK_PIXELS = 1.5, 12  # px between lips, and pixels, from which a photo's teeth are looked at
TEETH_LIT = 0.6  # share of the light that teeth behind parted lips get
MOST_LIGHT = 2.5  # by how much they may raise it
LIPS_IN_TEETH = 0.5  # how much of the colour seen between lips is that of the lips
SHUT = 0.25  # px between lips that are closed
SEAM = 1.5  # px beside the edge of a lip in which a warped photo is ragged
LINE, LINE_DARK = 1.2, 0.7  # px in which the line between closed lips fades, and light on it
LINE_SHARE = 0.02  # mouth widths that this may be
FRONT = 0.5  # head units, depth from which teeth are incisors
SAMPLES = 2  # per pixel and axis


class Mouth:
    """Draws the mouth of one portrait between its moved lips."""

    def __init__(self, portrait: Portrait, head: HeadModel, mesh: PhotoMesh, image: Tensor) -> None:
        """Args: portrait, head, mesh: who; image: [H, W, 3] the crop on the drawing device."""
        device = image.device
        self.mesh = mesh
        self.size = image.shape[0]
        fitted = portrait.head
        chosen = torch.cat(
            [(head.part == head.parts.index(name)).nonzero()[:, 0] for name in PARTS]
        )
        number = torch.full((len(head.part),), -1).scatter(0, chosen, torch.arange(len(chosen)))
        shape = head.shape(fitted.identity)
        turn = fitted.rotation * fitted.scale * torch.tensor([[1.0], [-1.0], [1.0]])
        closed = project(shape[chosen], fitted)
        # the fitted head's lips and the photo's differ a little: teeth go with the photo's
        lips = project(head.at_landmarks(head.shape(fitted.identity, fitted.expression)), fitted)
        inner = list(INNER_LIPS)
        closed[:, :2] += (portrait.landmarks[inner, :2] - lips[inner, :2]).mean(0)
        closed[:, 2] += float(mesh.rest[inner, 2].mean()) - float(lips[inner, 2].mean())
        for name, shift in SHOW.items():
            closed[head.part[chosen] == head.parts.index(name), 1] += shift * fitted.scale
        self.closed = closed.to(device)  # [Q, 3] px at rest, all coefficients 0
        self.moves = (head.units[:, chosen] @ turn.T).to(device)  # [C, Q, 3]
        self.faces = number[head.part_faces(*PARTS)].to(device)
        self.normals = (_normals(shape, head)[chosen] @ fitted.rotation.T).to(device)
        self.kind = torch.tensor(
            [PARTS.index(head.parts[int(p)]) for p in head.part[chosen]], device=device
        )
        self.upper = (self.kind == PARTS.index("upper_teeth")).float()
        in_front = head.vertices[chosen, 2] > FRONT
        self.incisors = ((self.kind.cpu() == 2) & in_front).nonzero()[:, 0].to(device)
        if mesh.is_open:  # the photo has its own upper teeth
            self.faces = self.faces[self.kind[self.faces[:, 0]] != PARTS.index("upper_teeth")]
        self.faces = self.faces[_facing(self.closed, self.faces)]
        self.face_kind = self.kind[self.faces[:, 0]]
        self.along = _arch_length(head.vertices[chosen]).to(device)
        self.lips_depth = float(mesh.rest[[13, 14], 2].mean())
        self.unit = fitted.scale
        self.crevices = _crevices().to(device)
        light = _light(image, portrait.landmarks.to(device))
        self.albedo = torch.tensor(ALBEDO, device=device)
        self.light = self._as_bright_as_seen(image, light)
        self.hang = HANG
        if mesh.is_open:
            self.hang = HANG_OWN * self._shown_teeth(image, portrait.landmarks)
        self.photo = self._photo_mouth(image)
        self.own_gap = float(mesh.photo_gap[2:7].mean()) if mesh.is_open else 0.0
        self.parted = 0.0  # px by which lips that are a little apart in the photo come together
        if not mesh.is_open and float(mesh.photo_gap[2:7].mean()) >= PARTED * mesh.mouth_width:
            self.parted = float((mesh.photo_gap - mesh.line)[2:7].mean())

    def paint(
        self,
        frames: Tensor,
        points: Tensor,
        coefficients: Tensor,
        rotation: Tensor,
        translation: Tensor,
    ) -> None:
        """Draw the mouth's inside into frames [B, H, W, 3], in place.

        Args:
            frames: [B, H, W, 3].
            points: [B, N, 3] the moved vertices of the face.
            coefficients: [B, 52].
            rotation: [B, 3] of the head, radians.
            translation: [B, 3] of the head, face widths.
        """
        if self.parted:
            self._bring_together(frames, points)
        loop, gap = self._opening(points)
        shut = float(gap.max()) < SHUT
        if shut and not self.mesh.is_open:
            return
        loop = smooth_loop(loop, 3)
        left, top, width, height = window(loop, 4, self.size)
        inside = signed_distance(loop, left, top, width, height)  # [B, h, w]
        patch = frames[:, top : top + height, left : left + width]
        if self.mesh.is_open:
            self._meet(patch, inside, (1 - gap / RIM).clamp(0, 1))
        if shut:
            return
        opened = ((gap - SHUT) / RIM).clamp(0, 1)
        opened = opened * ((gap - self.own_gap).abs() / RIM).clamp(0, 1)  # as in the photo: nothing
        near = (inside + SEAM + 0.5).clamp(0, 1) * opened[:, None, None]
        patch += near[..., None] * (carry_over_edge(patch, inside, SEAM) - patch)
        alpha = (inside + 0.5).clamp(0, 1) * (gap / 1.0).clamp(0, 1)[:, None, None]
        teeth = self.closed + torch.einsum("bc,cqd->bqd", coefficients, self.moves)
        hang = self.hang * self._lowered(coefficients)
        teeth += hang[:, None, None] * self.upper[:, None] * self.mesh.down
        teeth = self.mesh.turn_head(teeth, rotation, translation)
        wide = ((gap / self.mesh.mouth_width - WIDE_FROM) / (WIDE_TO - WIDE_FROM)).clamp(0, 1)
        bared = _bared(coefficients, wide)
        smile = bared[:, None, None]
        if not self.mesh.is_open:
            teeth = self._above_the_gap(teeth, points, gap, bared, wide)
        colour = self._interior(teeth, smile, left, top, width, height)
        reach = 0.05 * self.mesh.mouth_width
        shade = 0.6 + 0.4 * (inside / reach).clamp(0, 1).sqrt()  # lips keep light out
        shade = (
            shade
            * (0.5 + 0.5 * (gap / (0.16 * self.mesh.mouth_width)).clamp(0, 1).sqrt())[:, None, None]
        )
        shade = shade.lerp(torch.ones_like(shade), smile) * (1 + BARED * smile)
        colour = colour * shade[..., None]
        if self.photo is not None:
            colour = self._own_teeth(self.photo, colour, teeth, points, left, top)
        patch += alpha[..., None] * (colour - patch)

    def _meet(self, patch: Tensor, inside: Tensor, closed: Tensor) -> None:
        """Draw the line between lips that have come together, into a patch [B, h, w, 3], in place.

        A photo of open lips has none, but specks of its teeth at their edges.

        Args:
            patch: The frames about the mouth.
            inside: [B, h, w] px to the edge of what is open.
            closed: [B] how far the lips have come together, 0..1.
        """
        fine = min(1.0, LINE_SHARE * self.mesh.mouth_width / LINE)  # a small mouth's is finer
        line = (1 + (inside + 0.5 * fine) / (LINE * fine)).clamp(0, 1) * closed[:, None, None]
        x, y = (self.mesh.down[:2] * (SEAM + LINE)).round().int().tolist()
        beside = (patch.roll((sign * y, sign * x), (1, 2)) for sign in (1, -1))
        dark = torch.minimum(torch.minimum(*beside) * LINE_DARK, patch)
        patch += line[..., None] * (dark - patch)

    def _bring_together(self, frames: Tensor, points: Tensor) -> None:
        """Draw that line where lips that a photo shows a little apart close, and hide its teeth.

        Args:
            frames: [B, H, W, 3], drawn into in place.
            points: [B, N, 3] the moved vertices of the face.
        """
        loop = points[:, list(INNER_LIPS), :2]
        apart = points[:, list(LOWER_LIP[0])] - points[:, list(UPPER_LIP[0])]
        gap = (apart @ self.mesh.down - self.mesh.line)[:, 2:7].mean(1)
        closed = (1 - gap / self.parted).clamp(0, 1)
        if not closed.any():
            return
        loop = smooth_loop(loop, 3)
        left, top, width, height = window(loop, 4, self.size)
        inside = signed_distance(loop, left, top, width, height)
        self._meet(frames[:, top : top + height, left : left + width], inside, closed)

    def _opening(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """The loop [B, 20, 2] that the lips leave open, and its mean gap [B] px.

        The line between a photo's closed lips stays with the lips.
        """
        upper, lower = points[:, list(UPPER_LIP[0]), :2], points[:, list(LOWER_LIP[0]), :2]
        between = lower - upper
        gap = (between * self.mesh.down[:2]).sum(-1)  # [B, J]
        line = torch.zeros_like(gap) if self.mesh.is_open else self.mesh.photo_gap.expand_as(gap)
        share = (line / gap.clamp(min=1e-6)).clamp(0, 1)
        share = torch.where(gap > 0, share, 1.0)[..., None]
        above = 1.0 if self.mesh.shows_teeth else 0.5  # teeth that the photo shows stay above
        upper, lower = upper + above * share * between, lower - (1 - above) * share * between
        right, left = points[:, 78:79, :2], points[:, 308:309, :2]
        loop = torch.cat((right, upper, left, lower.flip(1)), 1)
        return loop, (gap - line).clamp(min=0)[:, 2:7].mean(1)

    def _above_the_gap(
        self, teeth: Tensor, points: Tensor, gap: Tensor, bared: Tensor, wide: Tensor
    ) -> Tensor:
        """Teeth [B, Q, 3] whose upper ones leave a dark part of a gap [B] under them.

        The wider [B] the larger that part; where teeth are bared [B] they may fill it.
        """
        lip = (points[:, list(UPPER_LIP[0][2:7])] @ self.mesh.down).mean(1)
        edge = (teeth[:, self.incisors] @ self.mesh.down).amax(1)
        filled = FILLED + (FILLED_WIDE - FILLED) * wide
        over = (edge - lip - filled * gap).clamp(min=0) * (1 - bared / FULL_SMILE).clamp(min=0)
        return teeth - over[:, None, None] * self.upper[:, None] * self.mesh.down

    def _lowered(self, coefficients: Tensor) -> Tensor:
        """How far below the nose the upper lip has come down, [B] px, at least 0.

        Of coefficients [B, 52], in a head that is not turned: one that is raised foreshortens it.
        """
        lip = list(UPPER_LIP[0][2:7])
        still = coefficients.new_zeros(len(coefficients), 3)
        points: Tensor = self.mesh(coefficients, still, still)
        now = ((points[:, lip] - points[:, [NOSE]]) @ self.mesh.down).mean(1)
        rest = ((self.mesh.rest[lip] - self.mesh.rest[[NOSE]]) @ self.mesh.down).mean()
        return (now - rest).clamp(min=0)

    def _interior(
        self, teeth: Tensor, smile: Tensor, left: int, top: int, width: int, height: int
    ) -> Tensor:
        """Teeth [B, Q, 3], tongue and cavity in a window, [B, h, w, 3]; smile [B, 1, 1] 0..1."""
        corner = torch.tensor([left, top], device=teeth.device)
        xy = (teeth[..., :2] - corner) * SAMPLES
        rows, columns = height * SAMPLES, width * SAMPLES
        index = rasterise(xy, teeth[..., 2], self.faces, rows, columns)
        values = torch.cat((self.normals, self.along), 1).expand(len(teeth), -1, -1)
        values = torch.cat((values, teeth[..., 2:]), 2)
        seen = interpolate(index, xy, self.faces, values)
        kind = self.face_kind[index.clamp(min=0)]
        albedo = self.albedo[kind]
        facing = F.normalize(seen[..., :3], dim=-1)[..., 2].abs()
        along = seen[..., 3].abs()
        place = (along * (CREVICE_STEPS / REACH)).long().clamp(max=CREVICE_STEPS - 1)
        line = self.crevices.flatten()[kind * CREVICE_STEPS + place]
        deep = ((seen[..., 5] - self.lips_depth) / self.unit + 0.07).clamp(max=0)
        reach = torch.tensor(REACHES, device=teeth.device)[kind]
        falloff = torch.exp(deep / reach) * torch.exp(-((along / 0.22) ** 2))
        falloff = falloff.lerp(torch.ones_like(falloff), ASIDE * smile)
        colour = albedo * ((0.55 + 0.45 * facing) * line * falloff)[..., None]
        cavity = torch.tensor(CAVITY, device=teeth.device)
        colour = torch.where((index >= 0)[..., None], torch.maximum(colour, 0.6 * cavity), cavity)
        colour = colour.permute(0, 3, 1, 2)
        return F.avg_pool2d(colour, SAMPLES).permute(0, 2, 3, 1) * self.light

    def _as_bright_as_seen(self, image: Tensor, light: Tensor) -> Tensor:
        """The light [3] raised to what teeth that show between a photo's parted lips say of it.

        Those that are painted get their colour.
        """
        if self.mesh.is_open or float(self.mesh.photo_gap[2:7].mean()) < PEEK:
            return light
        loop = smooth_loop(self.mesh.rest[None, list(INNER_LIPS), :2], 3)
        seen = image[signed_distance(loop, 0, 0, self.size, self.size)[0] > 0.3]
        if len(seen) < PEEK_PIXELS:
            return light
        brightest, lit = seen.mean(1).quantile(0.8), TEETH_LIT
        if self.mesh.shows_teeth:
            smile = float(_bared(self.mesh.own[None], torch.zeros(1, device=light.device)))
            lit += (1 + BARED - TEETH_LIT) * smile  # as they will be painted
            tint = seen[seen.mean(1) >= brightest].mean(0) / self.albedo[2] / light
            self.albedo[1:] *= (tint / tint.mean()).lerp(torch.ones_like(tint), LIPS_IN_TEETH)
        teeth = float(brightest) / (lit * sum(ALBEDO[2]) / 3)
        return light * max(1.0, min(teeth / float(light.mean()), MOST_LIGHT))

    def _shown_teeth(self, image: Tensor, landmarks: Tensor) -> float:
        """How far what a photo [H, W, 3] shows between its lips is teeth, 0..1."""
        loop = smooth_loop(self.mesh.rest[None, list(INNER_LIPS), :2], 3)
        seen = image[signed_distance(loop, 0, 0, self.size, self.size)[0] > 1]
        if not len(seen):
            return 0.0
        skin = float(_at(image, landmarks[list(SKIN)]).median(0).values.mean())
        bright = float(seen.mean()) / max(skin, 0.02)
        return min(max((bright - SHOWN_FROM) / (SHOWN_TO - SHOWN_FROM), 0.0), 1.0)

    def _photo_mouth(self, image: Tensor) -> Tensor | None:
        """The photo, and what it shows of the mouth's inside on skull and jaw: [1, 5, H, W]."""
        if not self.mesh.is_open:
            return None
        rest = self.mesh.rest[None, :, :2]
        loop = smooth_loop(rest[:, list(INNER_LIPS)], 3)
        inside = signed_distance(loop, 0, 0, self.size, self.size)[None]
        photo = image.permute(2, 0, 1)[None]
        around = continue_outward(photo, (inside > 1).float())
        keep = (inside + 1.5).clamp(0, 1)
        share = self._height_in_mouth(rest)
        edge = _jaw_line(photo, share, inside)
        self.has_lower_teeth = edge is not None
        if edge is None:  # a rim next to the lip that belongs to neither once the mouth moves
            edge = 1 - min(RIM / max(float(self.mesh.photo_gap[2:7].mean()), 1.0), 0.3)
        jaw = ((share - edge) / 0.03 + 0.5).clamp(0, 1)
        under_lip = (inside / (OVERLAP * self.mesh.mouth_width) + 1).clamp(0, 1)
        shown = torch.where(share < 0.5, under_lip, (2 * inside + 2).clamp(0, 1))
        picture = around + keep * (photo - around)
        return torch.cat((picture, shown * (1 - jaw), shown * jaw), 1)

    def _height_in_mouth(self, rest: Tensor) -> Tensor:
        """Where pixels lie between upper (0) and lower (1) lip of the photo: [1, 1, H, W]."""
        away = []
        for row in (UPPER_LIP[0], LOWER_LIP[0]):
            line = rest[:, [LIP_CORNERS[0], *row, LIP_CORNERS[1]]]
            there_and_back = torch.cat((line, line.flip(1)), 1)
            away.append(-signed_distance(there_and_back, 0, 0, self.size, self.size)[None])
        return away[0] / (away[0] + away[1]).clamp(min=1e-3)

    def _own_teeth(
        self, photo: Tensor, colour: Tensor, teeth: Tensor, points: Tensor, left: int, top: int
    ) -> Tensor:
        """The window's colours with the photo's own teeth: upper on the skull, lower on the jaw."""
        height, width = colour.shape[1:3]
        pose = similarity(teeth[:, self.incisors, :2], self.closed[self.incisors, :2])
        at = through(pose, left, top, width, height)
        middle = list(LOWER_LIP[0][2:7])
        lip = points[:, middle, :2].mean(1)
        lip = torch.einsum("bij,bj->bi", pose[:, :, :2], lip) + pose[:, :, 2]
        drop = lip - self.mesh.rest[middle, :2].mean(0)  # [B, 2] photo px
        on_skull, on_jaw = (
            F.grid_sample(
                photo.expand(len(teeth), -1, -1, -1),
                place / self.size * 2 - 1,
                align_corners=False,
            ).permute(0, 2, 3, 1)
            for place in (at, at - drop[:, None, None])
        )
        skull = on_skull[..., 3:4]
        jaw = (skull + on_jaw[..., 4:5]).clamp(max=1) - skull  # upper teeth hide lower ones
        if not self.has_lower_teeth:
            jaw = jaw * (1 - drop.norm(dim=1) / RIM).clamp(min=0)[:, None, None, None]
        return colour * (1 - skull - jaw) + on_skull[..., :3] * skull + on_jaw[..., :3] * jaw


def _bared(coefficients: Tensor, wide: Tensor) -> Tensor:
    """How far a smile draws the lips off the teeth, [B] 0..1, of coefficients [B, 52].

    What little smile there is in a mouth that is wide open bares nothing.
    """
    corners = [ARKIT_INDEX["mouthSmileLeft"], ARKIT_INDEX["mouthSmileRight"]]
    smile = coefficients[:, corners].mean(1)
    return ((smile - DROPPED * wide) / (1 - DROPPED * wide)).clamp(0, 1)


def _jaw_line(photo: Tensor, share: Tensor, inside: Tensor) -> float | None:
    """Height in the mouth, 0..1, of the dark gap between a photo's two rows of teeth, if any."""
    grey = photo.mean(1)[0]
    within = (inside[0, 0] > 1).nonzero()
    if not len(within):
        return None
    low, high = within[:, 1].float().quantile(0.3), within[:, 1].float().quantile(0.7)
    within = within[(within[:, 1] >= low) & (within[:, 1] <= high)]
    heights = share[0, 0][within[:, 0], within[:, 1]]
    bins = 20
    place = (heights * bins).long().clamp(0, bins - 1)
    count = torch.bincount(place, minlength=bins).clamp(min=1)
    total = torch.zeros(bins, device=photo.device)
    total.index_add_(0, place, grey[within[:, 0], within[:, 1]])
    profile = total / count
    darkest = int(profile[6:17].argmin()) + 6
    dark = float(profile[darkest])
    if dark < 0.75 * float(profile[:darkest].max()) and dark < 0.87 * float(
        profile[darkest:].max()
    ):
        return (darkest + 0.5) / bins
    return None


def _normals(points: Tensor, head: HeadModel) -> Tensor:
    """Unit normals [V, 3] of the head's vertices."""
    corner = points[head.faces]
    face = torch.linalg.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    out = torch.zeros_like(points)
    for k in range(3):
        out.index_add_(0, head.faces[:, k], face)
    return F.normalize(out, dim=1)


def _facing(points: Tensor, faces: Tensor) -> Tensor:
    """Which triangles [F, 3] of points [Q, 3] px face the viewer."""
    a, b, c = points[faces][..., :2].unbind(1)
    u, v = b - a, c - a
    return u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0] < 0


def _crevices() -> Tensor:
    """Light that is left between teeth, by part and distance along the arch: [3, CREVICE_STEPS]."""
    along = (torch.arange(CREVICE_STEPS) + 0.5) * (REACH / CREVICE_STEPS)
    table = torch.ones(len(PARTS), CREVICE_STEPS)
    for name, edges in (("lower_teeth", LOWER_TEETH), ("upper_teeth", UPPER_TEETH)):
        for edge in edges:
            table[PARTS.index(name)] *= 1 - 0.2 * torch.exp(-(((along - edge) / CREVICE) ** 2))
    return table


def _arch_length(points: Tensor) -> Tensor:
    """Distance along the dental arch from its middle, and height: [Q, 2], head units.

    The arch is taken as half an ellipse, 0.2 units wide to each side and 0.28 deep.
    """
    wide, deep = 0.205, 0.28
    steps = torch.linspace(0, 0.999, 200)
    x = wide * steps
    slope = deep / wide * steps / (1 - steps**2).sqrt()
    length = torch.cumulative_trapezoid((1 + slope**2).sqrt(), x)
    length = torch.cat((torch.zeros(1), length))
    place = (points[:, 0].abs() / wide * 199 / 0.999).clamp(0, 199).long()
    return torch.stack((length[place] * points[:, 0].sign(), points[:, 1]), 1)


def _at(image: Tensor, points: Tensor) -> Tensor:
    """Pixels [N, 3] of an image [H, W, 3] at points [N, 2 or more] px, at its edge beyond it."""
    x = points[:, 0].long().clamp(0, image.shape[1] - 1)
    y = points[:, 1].long().clamp(0, image.shape[0] - 1)
    return image[y, x]


def _light(image: Tensor, landmarks: Tensor) -> Tensor:
    """Colour of the light on the face [3], 1 = a white surface is white.

    Brightness from the whites of the eyes, else from the cheeks; tint from how the cheeks differ
    from skin under white light, which may be fair.
    """
    skin = _at(image, landmarks[list(SKIN)]).median(0).values.clamp(min=0.02)
    lit = torch.tensor(WHITE_LIT, device=image.device)
    fair, usual = lit[0], lit[1]
    way = usual - fair
    share = ((skin / skin.mean() - fair) @ way / (way @ way)).clamp(0.0, 1.0)
    tint: Tensor = skin / skin.mean() / fair.lerp(usual, share)
    tint = (tint / tint.mean()).lerp(torch.ones_like(tint), 0.5)  # part of it is the skin's own
    whites = []
    for eye in EYES:
        corners = landmarks[[eye.upper[0], eye.upper[-1]], :2]
        iris = landmarks[eye.iris[0], :2]
        whites.append(torch.cat([corners.lerp(iris, t) for t in (0.3, 0.4, 0.5)]))
    bright = _at(image, torch.cat(whites)).mean(1).quantile(0.8) / WHITE
    level = torch.maximum(bright, 1.4 * skin.mean()).clamp(0.1, 1.0)
    return level * tint.clamp(0.3, 1.8)
