"""The photo as a mesh: the face surface on the fitted head, rings around it that fade to stillness.

Positions are crop px, x right, y down, and depth towards the viewer, relative to the top of the
neck. At the photo's own expression and no head motion every vertex is where the photo has it.

Shapes: B frames, N vertices, R ring vertices, C = 52 coefficients, J lip or lid columns.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..head import HeadModel, project, rotation_angles, rotation_matrix
from ..landmarks import EYES, LIP_CORNERS, LOWER_LIP, MOUTH_CORNERS, OVAL, UPPER_LIP, EyePoints
from ..types import ARKIT_INDEX, Portrait

# Rings: distance from the face's middle as a multiple of the oval's, how much of the head's turn
# and how much of the outline's expression they follow.
RINGS = (
    (1.06, 1.00, 0.75),
    (1.14, 0.98, 0.45),
    (1.25, 0.92, 0.20),
    (1.40, 0.78, 0.05),
    (1.60, 0.52, 0.00),
    (1.85, 0.25, 0.00),
    (2.15, 0.08, 0.00),
    (2.60, 0.00, 0.00),
)
BLUR = 0.018  # face widths
BORDER = 0.12  # of the crop's side, where the turn fades
# How much deeper than the sheet the head is taken in a turn, across and up. A sheet cannot hide its
# far side as a head does; deeper, a turn of it looks like one of the same angle.
DEPTH_GAIN = (1.55, 1.32)
FRONTAL, PROFILE = 0.26, 0.79  # yaw of a photo in radians from and to which that fades
SLOPE = 1.6  # the steepest the surface may be, depth px per picture px
UPPER_LID_SHARE = 0.92  # of the way to a closed eye
LID_OVERLAP = 0.15  # of the open eye, by which a closed upper lid covers the lower one's rim
LID_DEPTH = 0.2  # eye widths by which it lies in front of it
# Units of the head that read too weak on a photo, or show what no photo has (the eyeball).
GAINS = {
    "mouthFunnel": 1.4,
    "mouthPucker": 1.25,
    "mouthSmileLeft": 1.15,
    "mouthSmileRight": 1.15,
    "mouthFrownLeft": 2.0,
    "mouthFrownRight": 2.0,
    "browInnerUp": 1.5,
    "eyeWideLeft": 0.45,
    "eyeWideRight": 0.45,
}
SHUT = 0.07  # lid gap in eye widths under which a photo's eye is taken as closed
LIP_ROWS = (1.0, 0.85, 0.55, 0.2)  # how much each row of a lip follows a correction of its edge
OPEN_MOUTH = 0.05  # inner lip gap in mouth widths from which a photo's mouth counts as open
NEAR = 0.15  # growth of the picture per face width towards the viewer


class PhotoMesh(nn.Module):
    """Vertices of a portrait under any motion."""

    rest: Tensor  # [N, 3]
    faces: Tensor  # [M, 3]
    face_faces: Tensor  # [M', 3] those of the face alone
    face_behind: Tensor  # [M'] as behind
    behind: Tensor  # [M] 0 skin; 1 rings; 2 mouth, eyes, and what the photo shows from behind
    folded: Tensor  # [N] next to a triangle that the photo shows from behind
    order: Tensor  # [N] what to add to a vertex's depth to tell what hides what
    moves: Tensor  # [C, N, 3] px at coefficient 1
    turn: Tensor  # [N] share of the head's turn
    own: Tensor  # [C] the photo's own expression
    down: Tensor  # [3] the face's downward direction
    between: Tensor  # [E] middles of edges along lids and lips, which stay middles
    parents: Tensor  # [S, 2] the landmarks around a surface vertex
    share: Tensor  # [S, 1]
    gap_of: Tensor  # [C, J] px that the lips part at coefficient 1
    photo_gap: Tensor  # [J] px between the photo's inner lips
    own_gap: Tensor  # [J] px between the head's at the photo's expression
    lid_followers: Tensor  # [2, L] vertices, and the lid landmarks they ride with

    def __init__(self, portrait: Portrait, head: HeadModel) -> None:
        super().__init__()
        fitted = portrait.head
        at_ears = head.at_landmarks(head.vertices)[[234, 454], 0]
        self.face_width = fitted.scale * float(at_ears[1] - at_ears[0])
        yaw = abs(float(rotation_angles(fitted.rotation)[1]))
        self.frontal = min(max((PROFILE - yaw) / (PROFILE - FRONTAL), 0.0), 1.0)
        self.pivot = (float(fitted.translation[0]), float(fitted.translation[1]))
        posed = project(head.shape(fitted.identity, fitted.expression), fitted)
        parents, share = head.surface_parents, head.surface_share[:, None]
        photo = portrait.landmarks[:, :2]
        flat = photo[parents[:, 0]].lerp(photo[parents[:, 1]], share)  # [S, 2]
        surface = torch.cat((flat, head.at_surface(posed)[:, 2:]), 1)
        rotation = fitted.rotation * fitted.scale * torch.tensor([[1.0], [-1.0], [1.0]])
        moves = head.at_surface(head.units) @ rotation.T  # [C, S, 3]
        self.surface_count = len(surface)
        self.register_buffer("parents", parents)
        self.register_buffer("share", share)

        moves = _even(moves, flat, parents, BLUR * self.face_width)
        for name, gain in GAINS.items():
            moves[ARKIT_INDEX[name]] *= gain
        for rows in (*UPPER_LIP, *LOWER_LIP):
            _smooth_along(moves, rows)
        size = portrait.image.shape[0]
        room = _room(portrait)
        rings, ring_moves, ring_turn, ring_faces = _rings(
            surface, moves, _outline(parents), size, room
        )
        flat = torch.cat((flat, rings))
        rest = torch.cat((flat, _gentle_depth(flat, surface)[:, None]), 1)
        down = F.normalize(rotation[:, 1] * torch.tensor([-1.0, -1.0, 0.0]), dim=0)
        faces = torch.cat((head.surface_faces, ring_faces))
        turned = _turned_away(flat, head.surface_faces) * (1 - head.surface_hole)
        hole = torch.maximum(head.surface_hole, turned)
        folded = torch.zeros(len(flat), dtype=torch.bool)
        folded[head.surface_faces[turned > 0]] = True
        self.register_buffer("folded", folded)
        self.register_buffer("rest", rest)
        self.register_buffer("faces", faces)
        self.register_buffer("face_faces", head.surface_faces)
        self.register_buffer("face_behind", 2 * hole)
        self.register_buffer("behind", torch.cat((2 * hole, torch.ones(len(ring_faces)))))
        true = torch.cat((surface[:, 2], rest[len(surface) :, 2]))
        self.register_buffer("order", true - rest[:, 2])
        self.register_buffer("turn", torch.cat((torch.ones(len(surface)), ring_turn)))
        self.register_buffer("own", fitted.expression)
        self.register_buffer("down", down)
        self.register_buffer("lid_followers", _followers(parents))
        self.register_buffer("between", _between(parents))
        self.register_buffer("moves", torch.cat((moves, ring_moves), 1))
        for eye in EYES:
            self._close_lid(eye)
        self._measure_lips()

    def _close_lid(self, eye: EyePoints) -> None:
        """Let eyeBlink = 1 close the eyes of this very photo, exactly."""
        upper, lower = list(eye.upper[1:-1]), list(eye.lower)
        gap = self.rest[lower] - self.rest[upper]  # [J, 3]
        gap[:, 2] = 0.0
        width = (self.rest[eye.upper[0]] - self.rest[eye.upper[-1]])[:2].norm()
        blink = ARKIT_INDEX[f"eyeBlink{eye.side}"]
        is_shut = float((gap @ self.down).mean() / width) < SHUT
        room = 0.0 if is_shut else 1.0 / max(1.0 - float(self.own[blink]), 0.2)
        self.moves[blink, upper] = (UPPER_LID_SHARE + LID_OVERLAP) * gap * room
        self.moves[blink, lower] = (UPPER_LID_SHARE - 1.0) * gap * room
        self.moves[blink, upper, 2] = LID_DEPTH * width * room
        self.moves[blink, [eye.upper[0], eye.upper[-1]]] = 0.0
        if is_shut:
            self.moves[blink] = 0.0

    def _measure_lips(self) -> None:
        upper, lower = list(UPPER_LIP[0]), list(LOWER_LIP[0])
        gap_of = (self.moves[:, lower] - self.moves[:, upper]) @ self.down
        self.register_buffer("gap_of", gap_of)
        photo_gap = ((self.rest[lower] - self.rest[upper]) @ self.down).clamp(min=0)
        self.register_buffer("photo_gap", photo_gap)
        self.register_buffer("own_gap", (self.own @ gap_of).clamp(min=0))
        self.mouth_width = float((self.rest[308] - self.rest[78])[:2].norm())
        self.is_open = float(self.photo_gap[2:7].mean()) > OPEN_MOUTH * self.mouth_width

    def forward(self, coefficients: Tensor, rotation: Tensor, translation: Tensor) -> Tensor:
        """Vertices [B, N, 3] of frames.

        Args:
            coefficients: [B, 52].
            rotation: [B, 3] pitch, yaw, roll in radians.
            translation: [B, 3] face widths.
        """
        change = coefficients - self.own
        moved = torch.einsum("bc,cnd->bnd", change, self.moves)
        moved = moved + self._lip_correction(coefficients)
        leader, follower = self.lid_followers[1], self.lid_followers[0]
        moved[:, follower] = moved[:, leader]
        first, second = self.parents[self.between].unbind(1)
        moved[:, self.between] = (moved[:, first] + moved[:, second]) / 2
        points = self.rest + moved
        points = self._keep_lids_apart(points)
        return self.turn_head(points, rotation, translation)

    def _lip_correction(self, coefficients: Tensor) -> Tensor:
        """What the lips must move so that the photo's own gap closes when the head's lips meet."""
        head_gap = (coefficients @ self.gap_of).clamp(min=0)  # [B, J]
        plain = self.photo_gap + (coefficients - self.own) @ self.gap_of
        rest_share = torch.ones_like(head_gap)
        if self.is_open:
            rest_share = (head_gap / self.own_gap.clamp(min=1e-3)).clamp(max=1)
        wanted = head_gap + (self.photo_gap - self.own_gap) * rest_share
        excess = (wanted.clamp(min=0) - plain)[..., None] * self.down / 2  # [B, J, 3]
        on_landmarks = torch.zeros(len(coefficients), len(self.rest), 3, device=excess.device)
        for weight, upper, lower in zip(LIP_ROWS, UPPER_LIP, LOWER_LIP, strict=True):
            on_landmarks[:, list(upper)] = -weight * excess
            on_landmarks[:, list(lower)] = weight * excess
        between = on_landmarks[:, self.parents[:, 0]].lerp(
            on_landmarks[:, self.parents[:, 1]], self.share
        )
        on_landmarks[:, : self.surface_count] = between
        return on_landmarks

    def _keep_lids_apart(self, points: Tensor) -> Tensor:
        """An upper lid never sinks below its lower lid by more than the overlap of closed ones."""
        for eye in EYES:
            upper, lower = list(eye.upper[1:-1]), list(eye.lower)
            rest = ((self.rest[lower] - self.rest[upper]) @ self.down).clamp(min=0)  # [J]
            over = (points[:, lower] - points[:, upper]) @ self.down + LID_OVERLAP * rest
            over = over.clamp(max=0)[..., None] * self.down  # [B, J, 3]
            points[:, upper] = points[:, upper] + UPPER_LID_SHARE * over
            points[:, lower] = points[:, lower] - (1 - UPPER_LID_SHARE) * over
        return points

    def turn_head(self, points: Tensor, rotation: Tensor, translation: Tensor) -> Tensor:
        """Points [B, N, 3] under the head's motion; all of it for points that are not ours."""
        x, y, z = points.unbind(-1)
        centred = torch.stack((x - self.pivot[0], self.pivot[1] - y, z), -1)  # y up
        matrix = rotation_matrix(rotation).transpose(1, 2)
        turned = centred @ matrix
        across, up = DEPTH_GAIN
        deeper = torch.tensor([across - 1, up - 1, 0.0], device=points.device) * self.frontal
        turned = turned + z[..., None] * (matrix[:, 2] * deeper)[:, None]
        turned = turned * (1 + NEAR * translation[:, 2])[:, None, None]
        shift = translation * torch.tensor([1.0, 1.0, 0.0], device=points.device)
        turned = turned + shift[:, None] * self.face_width
        out = torch.stack((self.pivot[0] + turned[..., 0], self.pivot[1] - turned[..., 1]), -1)
        if points.shape[1] == len(self.turn):
            out = points[..., :2] + self.turn[:, None] * (out - points[..., :2])
        return torch.cat((out, turned[..., 2:]), -1)


def similarity(moved: Tensor, home: Tensor) -> Tensor:
    """Affines [B, 2, 3] that carry points moved [B, P, 2] px back to home [P, 2] px best.

    A turn, a growth and a shift on the picture, as a rigid part of the head makes them.
    """
    centre, middle = moved.mean(1), home.mean(0)
    a, b = moved - centre[:, None], home - middle
    norm = a.square().sum((1, 2)).clamp(min=1e-6)
    real = (a * b).sum((1, 2)) / norm
    imaginary = (a[..., 0] * b[:, 1] - a[..., 1] * b[:, 0]).sum(1) / norm
    turn = torch.stack(
        (torch.stack((real, -imaginary), -1), torch.stack((imaginary, real), -1)), 1
    )  # [B, 2, 2]
    shift = middle - torch.einsum("bij,bj->bi", turn, centre)
    return torch.cat((turn, shift[..., None]), 2)


def through(affines: Tensor, left: int, top: int, width: int, height: int) -> Tensor:
    """A window's pixel centres under affines [B, 2, 3]: [B, h, w, 2] px."""
    x = left + torch.arange(width, device=affines.device, dtype=affines.dtype) + 0.5
    y = top + torch.arange(height, device=affines.device, dtype=affines.dtype) + 0.5
    grid = torch.stack((x.expand(height, -1), y[:, None].expand(-1, width)), -1)
    return torch.einsum("bij,hwj->bhwi", affines[:, :, :2], grid) + affines[:, None, None, :, 2]


def _outline(parents: Tensor) -> list[int]:
    """Surface vertices along the face's oval, each landmark followed by its edge's middle."""
    pairs = {tuple(sorted(p)): k for k, p in enumerate(parents.tolist()) if p[0] != p[1]}
    loop: list[int] = []
    for a, b in zip(OVAL, (*OVAL[1:], OVAL[0]), strict=True):
        loop += [a, pairs[min(a, b), max(a, b)]]
    return loop


def _followers(parents: Tensor) -> Tensor:
    """Edge vertices that leave a lid, and the lid's landmark: [2, L]."""
    lids = {k for eye in EYES for k in (*eye.upper[1:-1], *eye.lower)}
    corners = {k for eye in EYES for k in (eye.upper[0], eye.upper[-1])}
    rows = []
    for number, (a, b) in enumerate(parents.tolist()):
        if a != b and (a in lids) != (b in lids) and not {a, b} & corners:
            rows.append((number, a if a in lids else b))
    return torch.tensor(rows).T


def _between(parents: Tensor) -> Tensor:
    """Edge vertices [E] whose two landmarks belong to one eye's lids or to the lips."""
    lips = {k for row in (*UPPER_LIP, *LOWER_LIP) for k in row} | {*LIP_CORNERS, *MOUTH_CORNERS}
    groups = [lips, *(set(eye.loop) for eye in EYES)]
    pairs = [set(pair) for pair in parents.tolist()]
    return torch.tensor(
        [k for k, pair in enumerate(pairs) if len(pair) == 2 and any(pair <= g for g in groups)]
    )


def _room(portrait: Portrait) -> Tensor:
    """Whether the picture goes on beyond the crop: [4] left, top, right, bottom.

    There the crop's border must hold still; at the picture's own border nothing is to be met.
    """
    height, width = portrait.source.shape[:2]
    size = float(portrait.image.shape[0])
    corners = torch.tensor([[0.0, size], [0.0, size], [1.0, 1.0]])
    (left, right), (top, bottom) = (portrait.to_source @ corners).tolist()
    return torch.tensor([left > 0.5, top > 0.5, right < width - 0.5, bottom < height - 0.5])


def _rings(
    surface: Tensor, moves: Tensor, outline: list[int], size: int, room: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Ring vertices [R, 2], their moves [C, R, 3], their share of the turn [R], triangles."""
    loop = surface[outline, :2]
    middle = loop.mean(0)
    count = len(outline)
    points, ring_moves, turn, triangles = [], [], [], []
    inner = torch.tensor(outline)
    for number, (radius, turning, following) in enumerate(RINGS):
        flat = middle + radius * (loop - middle)
        points.append(flat)
        ring_moves.append(moves[:, outline] * following)
        away = torch.cat((flat, size - flat), 1)  # px from the left, top, right and bottom
        border = torch.where(room, away / (BORDER * size), 1.0).amin(1)
        turn.append(turning * _smooth(border))
        outer = len(surface) + number * count + torch.arange(count)
        triangles.append(torch.stack((inner, outer, inner.roll(-1)), 1))
        triangles.append(torch.stack((inner.roll(-1), outer, outer.roll(-1)), 1))
        inner = outer
    return torch.cat(points), torch.cat(ring_moves, 1), torch.cat(turn), torch.cat(triangles)


def _turned_away(flat: Tensor, faces: Tensor) -> Tensor:
    """1 for triangles [M] that the photo, half in profile, shows from behind."""
    a, b, c = flat[faces].unbind(1)
    u, v = b - a, c - a
    area = u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]
    return (area * area.median().sign() <= 0).float()


def _gentle_depth(flat: Tensor, surface: Tensor) -> Tensor:
    """Depth [N] at points [N, 2]: the surface's [S, 3], nowhere steeper than SLOPE.

    The lowest such sheet that lies on or over the surface and over the plane through the neck. No
    part of it hides another until the head has turned by atan(1 / SLOPE).
    """
    reach = surface[:, 2] - SLOPE * torch.cdist(flat, surface[:, :2])
    return reach.amax(1).clamp(min=0)


def _even(moves: Tensor, flat: Tensor, parents: Tensor, radius: float) -> Tensor:
    """Moves [C, S, 3] averaged with those of near vertices [S, 2], a Gaussian of a radius in px.

    Where a photo shows the face edge-on, vertices lie on top of one another and would tear what is
    between them. Upper and lower lips and lids are kept apart.
    """
    side = torch.zeros(len(flat))
    for row in (*UPPER_LIP, *(eye.upper[1:-1] for eye in EYES)):
        side[list(row)] = -1.0
    for row in (*LOWER_LIP, *(eye.lower for eye in EYES)):
        side[list(row)] = 1.0
    side = side[parents].sum(1).sign()
    weight = torch.exp(-torch.cdist(flat, flat).square() / (2 * radius**2))
    weight = weight * (side[:, None] * side >= 0)
    weight = weight / weight.sum(1, keepdim=True)
    return torch.einsum("nm,cmd->cnd", weight, moves)


def _smooth_along(moves: Tensor, row: tuple[int, ...]) -> None:
    """Even out moves [C, N, 3] along a row of a lip, in place; its ends are the inner corners."""
    line = moves[:, [LIP_CORNERS[0], *row, LIP_CORNERS[1]]]
    for _ in range(4):
        inner = (line[:, :-2] + 2 * line[:, 1:-1] + line[:, 2:]) / 4
        line = torch.cat((line[:, :1], inner, line[:, -1:]), 1)
    moves[:, list(row)] = line[:, 1:-1]


def _smooth(x: Tensor) -> Tensor:
    x = x.clamp(0, 1)
    return x * x * (3 - 2 * x)
