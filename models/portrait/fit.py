"""Fitting the parametric head to the landmarks of a photo, by least squares.

Shapes: K landmarks used (468, the irises left out), I identity components.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ..head import HeadModel, project
from ..landmarks import EYE_CORNERS
from ..types import ARKIT_INDEX, FittedHead

MESH_LANDMARKS = 468  # without the irises
NOISE = 0.008  # of a landmark's x and y, in eye distances
DEPTH_NOISE = 0.10  # of its z, which the landmarker guesses
EXPRESSION_NOISE = 0.12  # of the landmarker's scores
FROWN_NOISE = 0.03  # the head's frown is weak: a fit would add much of it to a smile
FACE_DEPTH = 0.25  # head units; what lies behind is skull, ears and neck, which no landmark sees
SKULL_NOISE = 0.06  # head units that one sampled point of them may differ from the mean head's
SKULL_STRIDE = 12
STEPS = 5


def eye_distance(landmarks: Tensor) -> float:
    """Distance in px between the middles of the eyes, from landmarks [478, ≥2]."""
    corners = landmarks[list(EYE_CORNERS)]
    if corners.shape[1] > 2:  # measured in space, so that a turned head keeps its distance
        corners = corners[:, :3]
    return float((corners[:2].mean(0) - corners[2:].mean(0)).norm())


def fit_head(landmarks: Tensor, expression: Tensor, model: HeadModel) -> FittedHead:
    """Camera and identity under which the head's landmarks fall on the photo's.

    Gauss–Newton over rotation, scale, shift and identity; identity weights have a unit normal
    prior, the landmarker's depth a small weight. The expression may differ a little from the
    landmarker's scores, which are coarse.

    Args:
        landmarks: [478, 3] px, x right, y down, z larger is farther.
        expression: [52] the photo's own coefficients as scored.
        model: The head.

    Returns:
        The fitted head; its error is over x and y of the 468 mesh landmarks.

    Raises:
        ValueError: The eyes lie on each other or are nowhere.
    """
    eye = eye_distance(landmarks)
    if not 0.0 < eye < math.inf:
        raise ValueError(
            f"The landmarks of the face lie {eye:g} px apart at the eyes, which is no face. "
            "Connect the landmarks of one face, or nothing."
        )
    flip = torch.tensor([1.0, -1.0, -1.0])
    seen = (landmarks[:MESH_LANDMARKS] * flip).double()  # y up, z to the viewer
    units = model.at_landmarks(model.units)[:, :MESH_LANDMARKS].double()  # [C, K, 3]
    people = model.at_landmarks(model.identity)[:, :MESH_LANDMARKS].double()  # [I, K, 3]
    mean = model.at_landmarks(model.shape())[:MESH_LANDMARKS].double()
    sigma = torch.tensor([NOISE, NOISE, DEPTH_NOISE], dtype=torch.float64) * eye
    score = expression.double()
    skull = (model.part == 0) & (model.vertices[:, 2] < FACE_DEPTH)
    back = model.identity[:, skull][:, ::SKULL_STRIDE].double().flatten(1) / SKULL_NOISE
    stiff = torch.zeros(len(people) + len(units), len(people) + len(units), dtype=torch.float64)
    stiff[: len(people), : len(people)] = back @ back.T
    stiff += torch.eye(len(stiff), dtype=torch.float64)
    rest = mean + torch.tensordot(score, units, 1)
    noise = torch.full_like(score, EXPRESSION_NOISE)
    noise[[ARKIT_INDEX["mouthFrownLeft"], ARKIT_INDEX["mouthFrownRight"]]] = FROWN_NOISE
    modes = torch.cat((people, noise[:, None, None] * units))
    pose, weights = _solve(rest, modes, seen, sigma, stiff)
    own = (score + noise * weights[len(people) :]).clamp(0, 1)
    rest = mean + torch.tensordot(own, units, 1)
    (rotation, scale, shift), identity = _solve(
        rest, people, seen, sigma, stiff[: len(people), : len(people)], pose
    )
    head = FittedHead(
        identity=identity.float(),
        expression=own.float(),
        rotation=rotation.float(),
        scale=float(scale),
        translation=torch.stack((shift[0], -shift[1])).float(),
        error=0.0,
    )
    points = model.at_landmarks(model.shape(head.identity, head.expression))[:MESH_LANDMARKS]
    miss = project(points, head)[:, :2] - landmarks[:MESH_LANDMARKS, :2]
    error = float(miss.square().sum(1).mean().sqrt()) / eye
    return FittedHead(**{**vars(head), "error": error})


Pose = tuple[Tensor, Tensor, Tensor]  # rotation [3, 3], scale, shift [3]


def _solve(
    rest: Tensor,
    modes: Tensor,
    seen: Tensor,
    sigma: Tensor,
    stiff: Tensor,
    pose: Pose | None = None,
) -> tuple[Pose, Tensor]:
    """Pose and weights [M] of modes [M, K, 3] that carry rest [K, 3] onto seen [K, 3].

    The weights w have the prior exp(-w·stiff·w / 2), stiff [M, M].
    """
    rotation, scale, shift = pose or _procrustes(rest, seen)
    weights = torch.zeros(len(modes), dtype=rest.dtype)
    prior = F.pad(stiff, (7, 0, 7, 0)) + 1e-9 * torch.eye(7 + len(modes), dtype=rest.dtype)
    for _ in range(STEPS):
        turned = (rest + torch.tensordot(weights, modes, 1)) @ rotation.T  # [K, 3]
        residual = (seen - scale * turned - shift) / sigma
        columns = [scale * _turn(axis, turned) for axis in range(3)]
        columns.append(turned)
        columns += [torch.eye(3, dtype=rest.dtype)[axis].expand_as(turned) for axis in range(3)]
        moves = torch.cat((torch.stack(columns), scale * modes @ rotation.T)) / sigma
        flat = moves.flatten(1)  # [7+M, 3·K]
        target = flat @ residual.flatten()
        target[7:] -= stiff @ weights
        step = torch.linalg.solve(flat @ flat.T + prior, target)
        rotation = torch.linalg.matrix_exp(_skew(step[:3])) @ rotation
        scale, shift, weights = scale + step[3], shift + step[4:7], weights + step[7:]
    return (rotation, scale, shift), weights


def _procrustes(points: Tensor, seen: Tensor) -> Pose:
    """Rotation, scale and shift that carry points [K, 3] closest to seen [K, 3] (Umeyama 1991)."""
    a, b = points - points.mean(0), seen - seen.mean(0)
    u, s, vt = torch.linalg.svd(b.T @ a)
    sign = torch.ones(3, dtype=points.dtype)
    sign[2] = torch.sign(torch.linalg.det(u @ vt))
    rotation = (u * sign) @ vt
    scale = (s * sign).sum() / a.square().sum()
    return rotation, scale, seen.mean(0) - scale * points.mean(0) @ rotation.T


def _turn(axis: int, points: Tensor) -> Tensor:
    """Velocity of points [K, 3] under a unit turn about an axis."""
    unit = torch.zeros(3, dtype=points.dtype)
    unit[axis] = 1.0
    velocity: Tensor = torch.linalg.cross(unit.expand_as(points), points)
    return velocity


def _skew(v: Tensor) -> Tensor:
    """The matrix [3, 3] of the cross product with v [3]."""
    zero = torch.zeros((), dtype=v.dtype)
    return torch.stack(
        (
            torch.stack((zero, -v[2], v[1])),
            torch.stack((v[2], zero, -v[0])),
            torch.stack((-v[1], v[0], zero)),
        )
    )
