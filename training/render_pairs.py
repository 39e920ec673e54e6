"""Examples for the renderer from open mouths: closed by the warp, then opened again and painted.

    python -m synchrorama.training.render_pairs --clips FOLDER --out FOLDER
        [--size 256] [--frames 4] [--face 100] [--variants 2]

FOLDER holds pictures and animated pictures, which the user may train on. Where a mouth is open, the
reference is that very picture with its lips warped shut and its head turned a little; motion frames
open it again, with the inside painted. The target is what the picture shows, so that nothing but
the inside, the lips' edges and the warp's faults tells the two apart.

Shapes: T frames of a clip, F of an example.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from ..models.head import HeadModel
from ..models.landmarks import EYES, LIP_CORNERS, LOWER_LIP, UPPER_LIP
from ..models.motion.frames import MotionFrames
from ..models.portrait.fit import MESH_LANDMARKS, fit_head
from ..models.portrait.landmarker import FaceLandmarker
from ..models.portrait.prepare import prepare_portrait
from ..models.types import ARKIT_INDEX, ARKIT_NAMES, Portrait
from .render_data import (
    Example,
    ShardWriter,
    as_bytes,
    crop,
    face_width,
    read_clip,
    tracked_motion,
    weights,
)

GAP = 0.05  # mouth widths between the lips from which a mouth is open
TURN = 0.08  # radians, standard deviation of the reference's turn
SHIFT = 0.01  # face widths, of its shift
MOUTH = [k for k, name in enumerate(ARKIT_NAMES) if name.startswith(("mouth", "jaw"))]
SMILE = [ARKIT_INDEX["mouthSmileLeft"], ARKIT_INDEX["mouthSmileRight"]]


def closed_portrait(portrait: Portrait, head: HeadModel, generator: torch.Generator) -> Portrait:
    """The same person with the mouth warped shut, perhaps a smile left, and the head turned."""
    drawing = MotionFrames(head, portrait)
    wanted = portrait.head.expression.clone()
    smile = wanted[SMILE] * torch.rand((), generator=generator)
    wanted[MOUTH] = 0
    wanted[SMILE] = smile
    turn = TURN * torch.randn(1, 3, generator=generator)
    shift = SHIFT * torch.randn(1, 3, generator=generator)
    picture = drawing.draw(wanted[None], turn, shift)[0].clamp(0, 1)
    points = drawing.mesh(wanted[None], turn, shift)[0]
    moved = portrait.landmarks.clone()
    moved[:MESH_LANDMARKS, :2] = points[:MESH_LANDMARKS, :2]
    for eye in EYES:  # irises go with their lids
        corners = [eye.upper[0], eye.upper[-1]]
        moved[list(eye.iris), :2] += (moved - portrait.landmarks)[corners, :2].mean(0)
    return replace(portrait, image=picture, landmarks=moved, head=fit_head(moved, wanted, head))


def gap(landmarks: Tensor) -> Tensor:
    """How far lips are apart in mouth widths, from landmarks [..., K, D]: [...]."""
    upper, lower = (landmarks[..., list(row[0][2:7]), :2] for row in (UPPER_LIP, LOWER_LIP))
    right, left = (landmarks[..., k, :2] for k in LIP_CORNERS)
    return (lower - upper).norm(dim=-1).mean(-1) / (left - right).norm(dim=-1).clamp(min=1e-6)


def reopened_examples(
    frames: Tensor,
    name: str,
    *,
    landmarker: FaceLandmarker,
    head: HeadModel,
    size: int,
    length: int,
    min_face: float,
    generator: torch.Generator,
) -> Iterator[Example]:
    """One example for each window of a clip whose mouth is open; pictures are clips of one frame.

    Args:
        frames: [T, H0, W0, 3] uint8.
        name: Of the clip.
        landmarker: Tracks the face.
        head: The parametric head.
        size: Side of the crop in px.
        length: Frames of an example of a clip with as many.
        min_face: Width in px of faces that are large enough.
        generator: Of the references' turns.
    """
    pictures = frames.float() / 255
    tracked = landmarker.track(pictures)
    length = min(length, len(frames))
    for start in range(0, len(frames) - length + 1, length):
        faces = [face for face in tracked[start : start + length] if face is not None]
        if len(faces) < length or min(face_width(face) for face in faces) < min_face:
            continue
        if float(gap(torch.stack([face.landmarks for face in faces])).mean()) < GAP:
            continue
        middle = length // 2
        try:
            seen = prepare_portrait(
                pictures[start + middle],
                landmarker=landmarker,
                head=head,
                size=size,
                landmarks=faces[middle].landmarks,
            )
        except ValueError:  # turned too far, or another face is the largest here
            continue
        portrait = closed_portrait(seen, head, generator)
        drawing = MotionFrames(head, portrait)
        motion = tracked_motion(portrait, faces, head, drawing.mesh)
        drawn = drawing.draw(motion.coefficients, motion.head_rotation, motion.head_translation)
        corner, ratio = seen.to_source[:, 2], float(seen.to_source[0, 0])
        points = torch.stack([(face.landmarks[:, :2] - corner) / ratio for face in faces])
        yield Example(
            clip=name,
            reference=as_bytes(portrait.image[None]),
            motion=as_bytes(drawn),
            target=as_bytes(crop(pictures[start : start + length], seen)),
            weight=as_bytes(weights(points, size)[..., None].expand(-1, -1, -1, 3)),
        )


def main() -> None:
    """Make shards of all pictures and clips of a folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--frames", type=int, default=4)
    parser.add_argument("--face", type=float, default=75.0, help="smallest face in px")
    parser.add_argument("--variants", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    landmarker, head = FaceLandmarker.from_checkpoint(), HeadModel.from_checkpoint()
    generator = torch.Generator().manual_seed(args.seed)
    writer = ShardWriter(args.out)
    for path in sorted(p for e in ("webp", "gif", "png") for p in args.clips.rglob(f"*.{e}")):
        frames = read_clip(path)
        variants = args.variants * (3 if len(frames) == 1 else 1)
        count = 0
        for _ in range(variants):
            for example in reopened_examples(
                frames,
                path.stem,
                landmarker=landmarker,
                head=head,
                size=args.size,
                length=args.frames,
                min_face=args.face,
                generator=generator,
            ):
                writer.add(example)
                count += 1
        print(f"{path.name}: {count} examples")
    writer.close()


if __name__ == "__main__":
    main()
