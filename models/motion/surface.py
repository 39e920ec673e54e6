"""What is made of the face surface once per photo: a depth that turns well, moves that do not tear.

Shapes: N vertices, S of them on the face, M triangles, C = 52 coefficients.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..landmarks import EYES, LIP_CORNERS, LOWER_LIP, MOUTH_CORNERS, UPPER_LIP

SLOPE = 1.6  # the steepest the surface may be, depth px per picture px


def gentle_depth(flat: Tensor, surface: Tensor) -> Tensor:
    """Depth [N] at points [N, 2]: the surface's [S, 3], nowhere steeper than SLOPE.

    The lowest such sheet that lies on or over the surface and over the plane through the neck. No
    part of it hides another until the head has turned by atan(1 / SLOPE).
    """
    reach = surface[:, 2] - SLOPE * torch.cdist(flat, surface[:, :2])
    return reach.amax(1).clamp(min=0)


def turned_away(flat: Tensor, faces: Tensor) -> Tensor:
    """1 for triangles [M] that the photo, half in profile, shows from behind."""
    a, b, c = flat[faces].unbind(1)
    u, v = b - a, c - a
    area = u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]
    return (area * area.median().sign() <= 0).float()


def even_out(moves: Tensor, flat: Tensor, parents: Tensor, radius: float) -> Tensor:
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


def smooth_along(moves: Tensor, row: tuple[int, ...]) -> None:
    """Even out moves [C, N, 3] along a row of a lip, in place; its ends are the inner corners."""
    line = moves[:, [LIP_CORNERS[0], *row, LIP_CORNERS[1]]]
    for _ in range(4):
        inner = (line[:, :-2] + 2 * line[:, 1:-1] + line[:, 2:]) / 4
        line = torch.cat((line[:, :1], inner, line[:, -1:]), 1)
    moves[:, list(row)] = line[:, 1:-1]


def lip_and_lid_middles(parents: Tensor) -> Tensor:
    """Edge vertices [E] whose two landmarks belong to one eye's lids or to the lips."""
    lips = {k for row in (*UPPER_LIP, *LOWER_LIP) for k in row} | {*LIP_CORNERS, *MOUTH_CORNERS}
    groups = [lips, *(set(eye.loop) for eye in EYES)]
    pairs = [set(pair) for pair in parents.tolist()]
    return torch.tensor(
        [k for k, pair in enumerate(pairs) if len(pair) == 2 and any(pair <= g for g in groups)]
    )


def lid_followers(parents: Tensor) -> Tensor:
    """Edge vertices that leave a lid, and the lid's landmark: [2, L]."""
    lids = {k for eye in EYES for k in (*eye.upper[1:-1], *eye.lower)}
    corners = {k for eye in EYES for k in (eye.upper[0], eye.upper[-1])}
    rows = []
    for number, (a, b) in enumerate(parents.tolist()):
        if a != b and (a in lids) != (b in lids) and not {a, b} & corners:
            rows.append((number, a if a in lids else b))
    return torch.tensor(rows).T
