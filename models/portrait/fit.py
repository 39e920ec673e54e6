"""Fitting the parametric head to the landmarks of a photo, by least squares.

Shapes: K landmarks used (468, the irises left out), I identity components.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..head import HeadModel, project
from ..types import FittedHead

MESH_LANDMARKS = 468  # without the irises
EYE_CORNERS = (33, 133, 362, 263)  # right outer and inner, left inner and outer
NOISE = 0.012  # of a landmark's x and y, in eye distances
DEPTH_NOISE = 0.10  # of its z, which the landmarker guesses
STEPS = 8


def eye_distance(landmarks: Tensor) -> float:
    """Distance in px between the middles of the eyes, from landmarks [478, ≥2]."""
    corners = landmarks[list(EYE_CORNERS)]
    if corners.shape[1] > 2:  # measured in space, so that a turned head keeps its distance
        corners = corners[:, :3]
    return float((corners[:2].mean(0) - corners[2:].mean(0)).norm())


def fit_head(landmarks: Tensor, expression: Tensor, model: HeadModel) -> FittedHead:
    """Camera and identity under which the head's landmarks fall on the photo's.

    Gauss–Newton over rotation, scale, shift and identity; identity weights have a unit normal
    prior, the landmarker's depth a small weight. The expression is taken as given.

    Args:
        landmarks: [478, 3] px, x right, y down, z larger is farther.
        expression: [52] the photo's own coefficients.
        model: The head.

    Returns:
        The fitted head; its error is over x and y of the 468 mesh landmarks.
    """
    eye = eye_distance(landmarks)
    flip = torch.tensor([1.0, -1.0, -1.0])
    seen = (landmarks[:MESH_LANDMARKS] * flip).double()  # y up, z to the viewer
    base = model.at_landmarks(model.shape(coefficients=expression))[:MESH_LANDMARKS].double()
    modes = model.at_landmarks(model.identity)[:, :MESH_LANDMARKS].double()  # [I, K, 3]
    rotation, scale, shift = _procrustes(base, seen)
    identity = torch.zeros(modes.shape[0], dtype=torch.float64)
    sigma = torch.tensor([NOISE, NOISE, DEPTH_NOISE], dtype=torch.float64) * eye
    for _ in range(STEPS):
        shape = base + torch.tensordot(identity, modes, 1)
        turned = shape @ rotation.T  # [K, 3]
        residual = (seen - scale * turned - shift) / sigma
        columns = [scale * _turn(axis, turned) for axis in range(3)]
        columns.append(turned)
        columns += [torch.eye(3, dtype=torch.float64)[axis].expand_as(turned) for axis in range(3)]
        pose = torch.stack(columns)  # [7, K, 3]
        jacobian = torch.cat((pose, scale * modes @ rotation.T)) / sigma  # [7+I, K, 3]
        flat = jacobian.flatten(1)
        normal = flat @ flat.T
        prior = torch.zeros(len(flat), dtype=torch.float64)
        prior[7:] = 1.0
        target = flat @ residual.flatten() - prior * torch.cat((prior[:7], identity))
        step = torch.linalg.solve(normal + torch.diag(prior + 1e-9), target)
        rotation = torch.linalg.matrix_exp(_skew(step[:3])) @ rotation
        scale = scale + step[3]
        shift = shift + step[4:7]
        identity = identity + step[7:]
    head = FittedHead(
        identity=identity.float(),
        expression=expression,
        rotation=rotation.float(),
        scale=float(scale),
        translation=torch.stack((shift[0], -shift[1])).float(),
        error=0.0,
    )
    points = model.at_landmarks(model.shape(head.identity, expression))[:MESH_LANDMARKS]
    miss = project(points, head)[:, :2] - landmarks[:MESH_LANDMARKS, :2]
    error = float(miss.square().sum(1).mean().sqrt()) / eye
    return FittedHead(**{**vars(head), "error": error})


def _procrustes(points: Tensor, seen: Tensor) -> tuple[Tensor, Tensor, Tensor]:
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
    return torch.linalg.cross(unit.expand_as(points), points)


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
