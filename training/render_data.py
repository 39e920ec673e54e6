"""Examples for the renderer from clips with a face: shards of reference, motion and target frames.

    python -m synchrorama.training.render_data --clips FOLDER --out FOLDER
        [--size 256] [--frames 8] [--face 100]

FOLDER holds animated WebP, GIF or PNG files, which the user may train on. Each is tracked by
stage 1 on its own first frame; the motion that was tracked is drawn by stage 4, and what the clip
really shows is the target. So the network learns what motion frames lack, not who somebody is.

Shapes: T frames of a clip, F of an example, H W pixels of the crop.
"""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageSequence
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from ..models.head import HeadModel
from ..models.landmarks import EYES, INNER_LIPS, LOWER_LIP, MOUTH_CORNERS, UPPER_LIP
from ..models.motion.frames import MotionFrames
from ..models.motion.photo_mesh import PhotoMesh
from ..models.portrait.fit import MESH_LANDMARKS, fit_head
from ..models.portrait.landmarker import FaceLandmarker
from ..models.portrait.prepare import prepare_portrait
from ..models.types import ARKIT_NAMES, Face, Motion, Portrait

FORMAT = "synchrorama.render_shard"
SHARD = 64e6  # bytes of a shard at most
MAX_YAW = 0.5  # radians that a head may turn from the reference: beyond it motion frames break
STEPS = 6  # of Gauss-Newton: half of them over the pose alone, then over expression too
NUDGE = 1e-3  # radians or face widths, for its slopes
POSE_HELD = 1e-3  # share by which a pose that landmarks hardly tell is held still
SHAPE_HELD = 4e-3  # how strongly an expression is held where the landmarker sees it
SHAPED = ("mouth", "jaw", "eyeBlink")  # coefficients that are fitted to the drawn mesh
LIPS = (*MOUTH_CORNERS, *INNER_LIPS, *UPPER_LIP[-1], *LOWER_LIP[-1])
LIDS = tuple(k for eye in EYES for k in eye.loop)
LIPS_WEIGHT = 2.0  # of a landmark of lips and lids; others have 1
FIELDS = ("reference", "motion", "target", "weight")
SIGNALS = ("emotion", "speech")


@dataclass(frozen=True, eq=False, kw_only=True)
class Example:
    """Some consecutive frames of one clip."""

    clip: str  # where it is from; all of a clip is either trained on or held out
    reference: Tensor  # [1, H, W, 3] uint8
    motion: Tensor  # [F, H, W, 3] uint8, drawn from the reference by tracked motion
    target: Tensor  # [F, H, W, 3] uint8, what the clip shows
    weight: Tensor  # [F, H, W, 3] uint8, 255 at mouth and eyes, 0 elsewhere
    emotion: Tensor | None = None  # [F, 256] Z_emo, where it is known
    speech: Tensor | None = None  # [F, L, M] mel features around each frame, where there is sound


def read_clip(path: Path) -> Tensor:
    """Frames of an animated picture, [T, H, W, 3] uint8."""
    with Image.open(path) as file:
        frames = [np.asarray(one.convert("RGB")) for one in ImageSequence.Iterator(file)]
    return torch.from_numpy(np.stack(frames))


def tracked_motion(
    portrait: Portrait, faces: list[Face], head: HeadModel, mesh: PhotoMesh
) -> Motion:
    """Motion that takes the portrait's own mesh to each of the faces.

    Pose, lips and lids are solved on the mesh that motion frames are drawn with: two fits of the
    head, each with an identity of its own, differ by more than a head moves from frame to frame.

    Args:
        portrait: The reference, fitted.
        faces: T faces in pixels of the portrait's source.
        head: The parametric head.
        mesh: Of the portrait's motion frames.
    """
    corner, ratio = portrait.to_source[:, 2], portrait.to_source[0, 0]
    seen, expressions = [], []
    for face in faces:
        points = torch.cat(
            [(face.landmarks[:, :2] - corner) / ratio, face.landmarks[:, 2:] / ratio], 1
        )
        seen.append(points[:MESH_LANDMARKS, :2])
        expressions.append(fit_head(points, face.coefficients, head).expression)
    wanted_points = torch.stack(seen)
    prior = torch.stack(expressions)
    shaped = [k for k, name in enumerate(ARKIT_NAMES) if name.startswith(SHAPED)]
    heavy = torch.ones(MESH_LANDMARKS, 1)
    heavy[[*LIPS, *LIDS]] = LIPS_WEIGHT
    heavy = heavy / (wanted_points[0].amax(0) - wanted_points[0].amin(0)).max()

    def drawn(values: Tensor) -> Tensor:
        coefficients = prior.clone()
        coefficients[:, shaped] += values[:, 6:]
        return mesh(coefficients, values[:, :3], values[:, 3:6])[:, :MESH_LANDMARKS, :2]

    values = torch.zeros(len(faces), 6 + len(shaped))  # a pose, and what is added to the prior
    for step in range(STEPS):
        free = 6 if step < STEPS // 2 else values.shape[1]  # the pose alone at first
        now = drawn(values)
        nudges = NUDGE * torch.eye(values.shape[1])[:free]
        moves = [((drawn(values + one) - now) * heavy).flatten(1) / NUDGE for one in nudges]
        slopes = torch.stack(moves, 2)  # [T, 2 · landmarks, unknowns]
        left = ((wanted_points - now) * heavy).flatten(1)[..., None]
        square = slopes.mT @ slopes
        held = POSE_HELD * square.diagonal(dim1=1, dim2=2)[:, :6].mean(1)[:, None].expand(-1, 6)
        held = torch.cat([held, torch.full((len(faces), free - 6), SHAPE_HELD)], 1)
        pull = slopes.mT @ left
        pull[:, 6:] -= SHAPE_HELD * values[:, 6:free, None]
        change = torch.linalg.solve(square + torch.diag_embed(held), pull)[..., 0]
        values = values + F.pad(change, (0, values.shape[1] - free))
        values[:, 6:] = (values[:, 6:] + prior[:, shaped]).clamp(0, 1) - prior[:, shaped]
    coefficients = prior.clone()
    coefficients[:, shaped] += values[:, 6:]
    return Motion(
        coefficients=coefficients,
        head_rotation=values[:, :3],
        head_translation=values[:, 3:6],
        fps=25.0,
    )


def weights(landmarks: Tensor, size: int) -> Tensor:
    """Where it matters, [T, size, size] 0 or 1: boxes of mouth and eyes from landmarks in px."""
    groups = [[*MOUTH_CORNERS, *UPPER_LIP[-1], *LOWER_LIP[-1]], *([*e.loop] for e in EYES)]
    out = torch.zeros(len(landmarks), size, size)
    for points, frame in zip(landmarks, out, strict=True):
        for group in groups:
            low, high = points[group, :2].amin(0), points[group, :2].amax(0)
            room = 0.25 * float((high - low).max())
            left, top = ((low - room).clamp(0, size)).long().tolist()
            right, bottom = ((high + room).clamp(0, size)).ceil().long().tolist()
            frame[top:bottom, left:right] = 1
    return out


def examples_of_clip(
    frames: Tensor,
    name: str,
    *,
    landmarker: FaceLandmarker,
    head: HeadModel,
    size: int,
    length: int,
    min_face: float,
) -> Iterator[Example]:
    """Examples of one clip; none when its face is lost, small, or turns too far.

    Args:
        frames: [T, H0, W0, 3] uint8.
        name: Of the clip.
        landmarker: Tracks the face.
        head: The parametric head.
        size: Side of the crop in px.
        length: Frames of an example, F.
        min_face: Width in px of faces that are large enough.
    """
    pictures = frames.float() / 255
    tracked = landmarker.track(pictures)
    good = [
        i for i, face in enumerate(tracked) if face is not None and face_width(face) >= min_face
    ]
    if len(good) < length or good[0] != 0:
        return
    first = tracked[0]
    assert first is not None
    portrait = prepare_portrait(
        pictures[0], landmarker=landmarker, head=head, size=size, landmarks=first.landmarks
    )
    drawing = MotionFrames(head, portrait)
    faces = [one for i in good if (one := tracked[i]) is not None]
    motion = tracked_motion(portrait, faces, head, drawing.mesh)
    corner, ratio = portrait.to_source[:, 2], float(portrait.to_source[0, 0])
    near = (motion.head_rotation[:, 1].abs() < MAX_YAW).tolist()
    reference = as_bytes(portrait.image[None])
    for start in range(0, len(good) - length + 1, length):
        part = slice(start, start + length)
        if not all(near[part]) or good[part][-1] - good[part][0] != length - 1:
            continue
        drawn = drawing.draw(
            motion.coefficients[part], motion.head_rotation[part], motion.head_translation[part]
        )
        points = torch.stack([(face.landmarks[:, :2] - corner) / ratio for face in faces[part]])
        matters = weights(points, size)[..., None].expand(-1, -1, -1, 3)
        target = crop(pictures[good[part]], portrait)
        yield Example(
            clip=name,
            reference=reference,
            motion=as_bytes(drawn),
            target=as_bytes(target),
            weight=as_bytes(matters),
        )


def crop(pictures: Tensor, portrait: Portrait) -> Tensor:
    """The portrait's crop of other frames of its clip, [T, size, size, 3].

    The same way as the portrait's own, so that an unmoved frame is the reference exactly.
    """
    size = portrait.image.shape[0]
    ratio, left, top = (round(float(v), 6) for v in portrait.to_source[[0, 0, 1], [0, 2, 2]])
    side = round(ratio * size)
    rows = torch.arange(round(top), round(top) + side).clamp(0, pictures.shape[1] - 1)
    columns = torch.arange(round(left), round(left) + side).clamp(0, pictures.shape[2] - 1)
    square = pictures[:, rows][:, :, columns].permute(0, 3, 1, 2)
    if side != size:
        square = F.interpolate(square, (size, size), mode="bicubic", antialias=True)
    return square.permute(0, 2, 3, 1).clamp(0, 1)


def face_width(face: Face) -> float:
    """In px, ear to ear of the mesh."""
    return float(face.landmarks[:, 0].max() - face.landmarks[:, 0].min())


def as_bytes(pictures: Tensor) -> Tensor:
    """Pictures 0..1 as uint8."""
    return (pictures * 255).round().clamp(0, 255).to(torch.uint8)


class ShardWriter:
    """Writes examples into files of at most 64 MB; pictures are WebP without loss."""

    def __init__(self, folder: Path, limit: float = SHARD) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.limit = folder, limit
        self.count = self.size = self.shards = 0
        self.tensors: dict[str, Tensor] = {}
        self.clips: list[str] = []

    def add(self, example: Example) -> None:
        """Take an example; a full shard goes to disk first."""
        packed = {
            f"{field}.{i}": _pack(one)
            for field in FIELDS
            for i, one in enumerate(getattr(example, field))
        }
        for field in SIGNALS:
            if (signal := getattr(example, field)) is not None:
                packed[f"{field}.0"] = signal.half()
        size = sum(one.numel() for one in packed.values())
        if self.tensors and self.size + size > self.limit:
            self.close()
        self.tensors.update({f"{self.count}.{key}": one for key, one in packed.items()})
        self.clips.append(example.clip)
        self.count, self.size = self.count + 1, self.size + size

    def close(self) -> None:
        """Write what is left."""
        if not self.tensors:
            return
        header = {"format": FORMAT, "clips": json.dumps(self.clips)}
        save_file(self.tensors, self.folder / f"shard_{self.shards:04}.safetensors", header)
        self.shards += 1
        self.count = self.size = 0
        self.tensors, self.clips = {}, []


def read_shard(path: Path) -> Iterator[Example]:
    """The examples of a shard, one by one.

    Raises:
        ValueError: It is no shard.
    """
    with safe_open(path, framework="pt") as file:
        header = file.metadata() or {}
        if header.get("format") != FORMAT:
            raise ValueError(f"'{path.name}' is no shard of render data. Make it by render_data.")
        keys = sorted(file.keys(), key=lambda key: int(key.rsplit(".", 1)[1]))
        for i, clip in enumerate(json.loads(header["clips"])):
            fields = {
                field: torch.stack(
                    [_unpack(file.get_tensor(k)) for k in keys if k.startswith(f"{i}.{field}.")]
                )
                for field in FIELDS
            }
            signals = {
                field: file.get_tensor(f"{i}.{field}.0").float()
                for field in SIGNALS
                if f"{i}.{field}.0" in keys
            }
            yield Example(clip=clip, **fields, **signals)


def _pack(picture: Tensor) -> Tensor:
    buffer = io.BytesIO()
    Image.fromarray(picture.contiguous().numpy()).save(buffer, "WEBP", lossless=True, quality=30)
    return torch.frombuffer(bytearray(buffer.getvalue()), dtype=torch.uint8)


def _unpack(data: Tensor) -> Tensor:
    with Image.open(io.BytesIO(data.numpy().tobytes())) as file:
        return torch.from_numpy(np.array(file.convert("RGB")))


def main() -> None:
    """Make shards of all clips of a folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--face", type=float, default=100.0, help="smallest face in px")
    args = parser.parse_args()
    landmarker, head = FaceLandmarker.from_checkpoint(), HeadModel.from_checkpoint()
    writer = ShardWriter(args.out)
    for path in sorted(p for e in ("webp", "gif", "png") for p in args.clips.rglob(f"*.{e}")):
        count = 0
        try:
            found = examples_of_clip(
                read_clip(path),
                path.stem,
                landmarker=landmarker,
                head=head,
                size=args.size,
                length=args.frames,
                min_face=args.face,
            )
            for example in found:
                writer.add(example)
                count += 1
        except (ValueError, OSError) as error:
            print(f"{path.name}: left out ({error})")
            continue
        print(f"{path.name}: {count} examples")
    writer.close()


if __name__ == "__main__":
    main()
