"""Add the face surface that motion frames draw to the head's checkpoint.

    python -m synchrorama.training.build_surface --head FILE --out FILE

The surface's vertices are the 468 landmarks and one vertex on each edge between them, its triangles
the Delaunay triangulation of the landmarks of a front view with the mouth open, each split in four.
Every vertex knows its two landmarks (its place in a photo) and the point of the head under it (how
it moves). Around an open eye the split lies close to the lid's edge, so that lashes ride with it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from scipy.spatial import Delaunay
from torch import Tensor

from ..models.checkpoint import load_checkpoint, save_checkpoint
from ..models.head import FORMAT
from ..models.landmarks import EYES, INNER_LIPS, OVAL
from ..models.portrait.landmarker import FaceLandmarker
from ..models.types import ARKIT_INDEX
from .bind_landmarks import SCALE, SOURCE, closest, draw, half

OPEN = 0.45  # jawOpen of the view that is triangulated
LASHES = 0.3  # where an edge that leaves a lid is split, from the lid


def inside(points: Tensor, polygon: Tensor) -> Tensor:
    """Which points [N, 2] lie in a polygon [M, 2]."""
    a, b = polygon, polygon.roll(-1, 0)
    x, y = points[:, :1], points[:, 1:]
    spans = (a[:, 1] > y) != (b[:, 1] > y)
    slope = (b[:, 0] - a[:, 0]) / torch.where((b - a)[:, 1] == 0, 1e-12, (b - a)[:, 1])
    return (spans & (x < slope * (y - a[:, 1]) + a[:, 0])).sum(1) % 2 == 1


def split(triangles: Tensor) -> tuple[Tensor, Tensor]:
    """Edges [E, 2] of triangles [F, 3] over 468 points, and the four-fold triangles [4F, 3]."""
    pairs = torch.cat((triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]))
    edges, place = pairs.sort(1).values.unique(dim=0, return_inverse=True)
    ab, bc, ca = (place + 468).view(3, -1)
    a, b, c = triangles.unbind(1)
    four = [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
    return edges, torch.cat([torch.stack(t, 1) for t in four])


def main() -> None:
    """Write the checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--head", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    head, config = load_checkpoint(args.head, FORMAT)
    corners, weights = head["landmark_vertices"].long()[:468], head["landmark_weights"][:468]
    jaw = head["units"][ARKIT_INDEX["jawOpen"]]
    view = head["vertices"] + OPEN * jaw
    picture, _ = draw(head, view, torch.zeros(3))
    front = FaceLandmarker.from_checkpoint().faces(picture)[0].landmarks[:468, :2] / SCALE
    oval = list(OVAL)  # pushed out a little, so that the outline is convex and all its edges exist
    front[oval] = front[oval] + 0.06 * (front[oval] - front[oval].mean(0))
    triangles = torch.from_numpy(Delaunay(front.numpy()).simplices).long()
    middle = front[triangles].mean(1)
    triangles = triangles[inside(middle, front[oval])]
    middle = front[triangles].mean(1)
    is_hole = inside(middle, front[list(INNER_LIPS)])
    for eye in EYES:
        is_hole |= inside(middle, front[[*eye.upper, *reversed(eye.lower)]])

    edges, faces = split(triangles)
    for loop in (OVAL, INNER_LIPS, *([*e.upper, *reversed(e.lower)] for e in EYES)):
        loop_edges = torch.tensor(
            [sorted(pair) for pair in zip(loop, (*loop[1:], loop[0]), strict=True)]
        )
        known = (loop_edges[:, None] == edges).all(2).any(1)
        if not bool(known.all()):
            raise SystemExit(f"edges missing from the triangulation: {loop_edges[~known].tolist()}")
    share = torch.full((len(edges),), 0.5)
    for eye in EYES:
        lid = torch.tensor([*eye.upper, *eye.lower])
        from_lid, to_lid = torch.isin(edges[:, 0], lid), torch.isin(edges[:, 1], lid)
        share[from_lid & ~to_lid] = LASHES
        share[to_lid & ~from_lid] = 1 - LASHES
    parents = torch.cat((torch.arange(468)[:, None].expand(-1, 2), edges))
    share = torch.cat((torch.zeros(468), share))

    skin = head["faces"].long()
    skin = skin[head["part"][skin[:, 0]] == 0]
    at = (view[corners] * weights[..., None]).sum(1)  # [468, 3]
    between = at[edges[:, 0]].lerp(at[edges[:, 1]], share[468:, None])
    surface = view[skin]
    normal = torch.linalg.cross(surface[:, 1] - surface[:, 0], surface[:, 2] - surface[:, 0])
    moves = jaw[skin, 1].mean(1) < -0.1
    near_front = (surface.mean(1)[:, 2] > 0.1) & (normal[:, 2] > -0.3 * normal.norm(dim=1))
    found_corners, found_weights = [corners], [weights]
    lip_row = set(INNER_LIPS)
    for point, pair in zip(between, edges.tolist(), strict=True):
        allowed = near_front
        if set(pair) <= lip_row:  # an edge of a lip stays on that lip
            low = any(jaw[corners[k], 1].mean() < -0.1 for k in pair)
            allowed = allowed & (moves if low else ~moves)
        candidates = allowed.nonzero()[:, 0]
        bary, distance = closest(surface[candidates], point)
        best = distance.argmin()
        found_corners.append(skin[candidates[best]][None])
        found_weights.append(bary[best][None])
    save_checkpoint(
        args.out,
        {
            **half(head),
            "surface_vertices": torch.cat(found_corners).int(),
            "surface_weights": torch.cat(found_weights),
            "surface_parents": parents.int(),
            "surface_share": share,
            "surface_faces": faces.int(),
            "surface_hole": is_hole.repeat(4).to(torch.uint8),
        },
        format=FORMAT,
        config=config,
        source=SOURCE,
        licence="CC0-1.0",
    )
    print(
        f"{len(parents)} vertices, {len(faces)} triangles, "
        f"{int(is_hole.sum())} holes of {len(triangles)}"
    )


if __name__ == "__main__":
    main()
