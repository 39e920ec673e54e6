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
from ..landmarks import EYES, LOWER_LIP, UPPER_LIP, EyePoints
from ..types import ARKIT_INDEX, ARKIT_NAMES, Portrait
from .lips import SMILE, sets_in, sides
from .parted import OPEN_MOUTH, edge_below_teeth
from .rings import outline_of, rings_around, room_around
from .surface import (
    even_out,
    gentle_depth,
    lid_followers,
    lip_and_lid_middles,
    smooth_along,
    turned_away,
)

BLUR = 0.018  # face widths over which moves are averaged
# How much deeper than the sheet the head is taken in a turn, across and up. A sheet cannot hide its
# far side as a head does; deeper, a turn of it looks like one of the same angle.
DEPTH_GAIN = (1.55, 1.32)
FRONTAL, PROFILE = 0.26, 0.79  # yaw of a photo in radians from and to which that fades
UPPER_LID_SHARE = 0.92  # of the way to a closed eye
LID_OVERLAP = 0.15  # of the open eye, by which a closed upper lid covers the lower one's rim
LID_DEPTH = 0.2  # eye widths by which it lies in front of it
# Units of the head that read too weak on a photo, or show what no photo has (the eyeball).
GAINS = {
    "mouthFunnel": 1.4,
    "mouthPucker": 1.25,
    "mouthSmileLeft": 1.15,
    "mouthSmileRight": 1.15,
    "mouthFrownLeft": 2.6,
    "mouthFrownRight": 2.6,
    "mouthDimpleLeft": 1.8,
    "mouthDimpleRight": 1.8,
    "browInnerUp": 2.4,
    "browOuterUpLeft": 1.6,
    "browOuterUpRight": 1.6,
    "browDownLeft": 1.6,
    "browDownRight": 1.6,
    "eyeWideLeft": 0.45,
    "eyeWideRight": 0.45,
    "eyeSquintLeft": 1.6,
    "eyeSquintRight": 1.6,
    "cheekSquintLeft": 1.5,
    "cheekSquintRight": 1.5,
    "noseSneerLeft": 1.8,
    "noseSneerRight": 1.8,
    "mouthUpperUpLeft": 2.0,
    "mouthUpperUpRight": 2.0,
    "mouthStretchLeft": 2.2,
    "mouthStretchRight": 2.2,
    "mouthShrugLower": 2.1,
}
CHEEK_LID = 0.35  # of eyeSquint in each side's cheekSquint: a raised cheek narrows the eye (FACS 6)
FROWN_CHIN = 0.4  # of mouthShrugLower in each side's frown: the chin comes up with it
UNDONE = 2.0  # a frown takes the photo's own smile away, wholly at half of its way
UNSMILE = 1.4  # how much less than a photo's smile goes further: fits find too little of it
SHUT = 0.07  # lid gap in eye widths under which a photo's eye is taken as closed
LIP_ROWS = (1.0, 0.85, 0.55, 0.2)  # how much each row of a lip follows a correction of its edge
LINE = 0.015  # mouth widths that the line between closed lips is high
OPENED = 2.0  # times that a gap which shows teeth counts into an opening before it is part of it
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
    own_felt: Tensor  # [C] how far its units go
    down: Tensor  # [3] the face's downward direction
    between: Tensor  # [E] middles of edges along lids and lips, which stay middles
    parents: Tensor  # [S, 2] the landmarks around a surface vertex
    share: Tensor  # [S, 1]
    gap_of: Tensor  # [C, J] px that the lips part at coefficient 1
    photo_gap: Tensor  # [J] px between the photo's inner lips
    own_gap: Tensor  # [J] px between the head's at the photo's expression, below 0 if pressed
    line: Tensor  # [J] px that the photo's lips are apart when they are closed
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
        photo = portrait.landmarks[:, :2].clone()
        edge = edge_below_teeth(portrait.image, photo)
        self.shows_teeth = edge is not None  # between lips that are only a little apart
        if edge is not None:
            photo[list(LOWER_LIP[0])] = edge
        flat = photo[parents[:, 0]].lerp(photo[parents[:, 1]], share)  # [S, 2]
        surface = torch.cat((flat, head.at_surface(posed)[:, 2:]), 1)
        rotation = fitted.rotation * fitted.scale * torch.tensor([[1.0], [-1.0], [1.0]])
        moves = head.at_surface(head.units) @ rotation.T  # [C, S, 3]
        self.surface_count = len(surface)
        self.register_buffer("parents", parents)
        self.register_buffer("share", share)

        moves = even_out(moves, flat, parents, BLUR * self.face_width)
        chin = FROWN_CHIN * moves[ARKIT_INDEX["mouthShrugLower"]]
        for name, gain in GAINS.items():
            moves[ARKIT_INDEX[name]] *= gain
        for side in ("Left", "Right"):
            lid = moves[ARKIT_INDEX["eyeSquint" + side]]
            moves[ARKIT_INDEX["cheekSquint" + side]] += CHEEK_LID * lid
        moves[ARKIT_INDEX["mouthFrownLeft"]] += chin
        moves[ARKIT_INDEX["mouthFrownRight"]] += chin
        for rows in (*UPPER_LIP, *LOWER_LIP):
            smooth_along(moves, rows)
        size = portrait.image.shape[0]
        room = room_around(portrait)
        rings, ring_moves, ring_turn, ring_faces = rings_around(
            surface, moves, outline_of(parents), size, room
        )
        flat = torch.cat((flat, rings))
        rest = torch.cat((flat, gentle_depth(flat, surface)[:, None]), 1)
        down = F.normalize(rotation[:, 1] * torch.tensor([-1.0, -1.0, 0.0]), dim=0)
        faces = torch.cat((head.surface_faces, ring_faces))
        turned = turned_away(flat, head.surface_faces) * (1 - head.surface_hole)
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
        self.register_buffer("lid_followers", lid_followers(parents))
        self.register_buffer("between", lip_and_lid_middles(parents))
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
        self.register_buffer("own_felt", self._felt(self.own))
        self.register_buffer("own_gap", self.own_felt @ gap_of)
        self.mouth_width = float((self.rest[308] - self.rest[78])[:2].norm())
        wide = float(self.photo_gap[2:7].mean()) > OPEN_MOUTH * self.mouth_width
        self.is_open = wide and not self.shows_teeth
        line = 0.0 if self.is_open else LINE * self.mouth_width
        self.register_buffer("line", photo_gap.clamp(max=line))

    def forward(self, coefficients: Tensor, rotation: Tensor, translation: Tensor) -> Tensor:
        """Vertices [B, N, 3] of frames.

        Args:
            coefficients: [B, 52].
            rotation: [B, 3] pitch, yaw, roll in radians.
            translation: [B, 3] face widths.
        """
        felt = self._felt(coefficients)
        moved = torch.einsum("bc,cnd->bnd", felt - self.own_felt, self.moves)
        moved = moved + self._lip_correction(felt)
        leader, follower = self.lid_followers[1], self.lid_followers[0]
        moved[:, follower] = moved[:, leader]
        first, second = self.parents[self.between].unbind(1)
        moved[:, self.between] = (moved[:, first] + moved[:, second]) / 2
        points = self.rest + moved
        points = self._keep_lids_apart(points)
        return self.turn_head(points, rotation, translation)

    def _felt(self, coefficients: Tensor) -> Tensor:
        """How far each unit goes, [..., 52], where some set in sooner and some undo a smile."""
        felt = sets_in(coefficients)
        photos = sets_in(torch.minimum(coefficients, self.own))
        risen = (coefficients - self.own).clamp(min=0) / (1 - self.own).clamp(min=0.2)
        left, right = (risen[..., column] for column in sides("mouthFrown"))
        by_side = {"Left": left, "Right": right, "": (left + right) / 2}
        for name in SMILE:
            for column in sides(name):
                side = ARKIT_NAMES[column].removeprefix(name)
                undone = (UNDONE * by_side[side]).clamp(max=1)
                felt[..., column] -= photos[..., column] * undone
        corners = list(sides("mouthSmile"))
        missing = (self.own[corners] - felt[..., corners]).clamp(min=0)
        felt[..., corners] -= (UNSMILE - 1) * missing
        return felt

    def _lip_correction(self, felt: Tensor) -> Tensor:
        """What the lips must move so that the photo's close when the head's meet.

        The photo's own gap goes as the head's goes from its own to none; lips that are apart in
        the photo though the head's are not, as these are pressed further by as much.
        """
        pressed = felt @ self.gap_of  # [B, J]
        plain = self.photo_gap + pressed - self.own_gap
        open_by = self.own_gap.clamp(min=0)
        unsaid = self.photo_gap.clamp(max=OPEN_MOUTH * self.mouth_width)
        way = torch.maximum(open_by, unsaid).clamp(min=1e-3)
        share = ((pressed - self.own_gap) / way + 1).clamp(0, 1)
        rest = self.photo_gap - self.line - open_by
        if self.shows_teeth:  # a mouth that opens wide is no wider for having been a little open
            risen = (pressed - self.own_gap) / (OPENED * rest).clamp(min=1e-3)
            share = torch.minimum(share, (1 - risen).clamp(0, 1))
        wanted = pressed.clamp(min=0) + self.line + rest * share
        excess = (wanted.clamp(min=0) - plain)[..., None] * self.down / 2  # [B, J, 3]
        on_landmarks = torch.zeros(len(felt), len(self.rest), 3, device=excess.device)
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
