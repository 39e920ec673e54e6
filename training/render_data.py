"""Examples for the renderer from tracked clips: shards of reference, motion and target frames.

    python -m synchrorama.training.render_data --tracks FILE --out FOLDER
        [--frames 8] [--references 3] [--apart 8] [--aligned] [--workers 1] [--raw]

FILE holds what render_tracks packed. Each shot is drawn by stage 4 from each of its references,
moved by the motion that was tracked; what the clip really shows is the target. So the network
learns what motion frames lack, not who somebody is. With --aligned the target is bent, smoothly
and by a pixel or two, until its landmarks are where motion frames have them: who must guess where
things are draws them blurred. Left out then are examples whose lips lie too far off, or that show
something else, such as a hand or another light.

Shapes: T frames of a shot, F of an example, S px of the crop's side.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ..models.head import HeadModel
from ..models.landmarks import EYES, LOWER_LIP, MOUTH_CORNERS, UPPER_LIP
from ..models.motion.frames import MotionFrames
from ..models.motion.photo_mesh import PhotoMesh
from ..models.portrait.fit import MESH_LANDMARKS, fit_head
from ..models.types import ARKIT_NAMES, Face, Motion, Portrait
from .render_shards import Example, write_shards
from .render_tracks import LIDS, LIPS, Track, as_bytes, read_tracks, track_count

MAX_YAW = 0.5  # radians that a head may turn from the reference: beyond it motion frames break
STEPS = 6  # of Gauss-Newton: half of them over the pose alone, then over expression too
NUDGE = 1e-3  # radians or face widths, for its slopes
POSE_HELD = 1e-3  # share by which a pose that landmarks hardly tell is held still
SHAPE_HELD = 4e-3  # how strongly an expression is held where the landmarker sees it
SHAPED = ("mouth", "jaw", "eyeBlink")  # coefficients that are fitted to the drawn mesh
FAR = 3.0  # px that lips may lie off to be bent, mean over them, in any frame
OTHER, COARSE = 0.10, 16  # mean difference, of 1, of what is that coarse, in px: another scene
BEND, BEND_STEP, BEND_HELD = 5.0, 4, 0.05  # px that a landmark bends around it, grid, held still by
LIPS_WEIGHT = 2.0  # of a landmark of lips and lids; others have 1


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


def aligned(pictures: Tensor, seen: Tensor, wanted: Tensor) -> Tensor:
    """Pictures bent so that landmarks come to lie elsewhere.

    Args:
        pictures: [T, S, S, 3] 0..1.
        seen: [T, K, 2] px, where their landmarks are.
        wanted: [T, K, 2] px, where they are to be.

    Returns:
        [T, S, S, 3]; unchanged far from landmarks.
    """
    size, step = pictures.shape[1], BEND_STEP
    centres = step * (torch.arange(size // step) + 0.5)
    at = torch.stack(torch.meshgrid(centres, centres, indexing="xy"), -1).flatten(0, 1)
    near = torch.exp(-0.5 * (torch.cdist(at.expand(len(wanted), -1, -1), wanted) / BEND).square())
    moves = (near @ (wanted - seen)) / (near.sum(2, keepdim=True) + BEND_HELD)  # [T, places, 2]
    coarse = moves.unflatten(1, (size // step, -1)).permute(0, 3, 1, 2)
    fine = F.interpolate(coarse, (size, size), mode="bicubic", align_corners=False)
    pixels = torch.arange(size) + 0.5
    places = torch.stack(torch.meshgrid(pixels, pixels, indexing="xy"), -1)
    grid = (places - fine.permute(0, 2, 3, 1)) / size * 2 - 1
    planes = pictures.permute(0, 3, 1, 2)
    bent = F.grid_sample(planes, grid, "bicubic", "border", align_corners=False)
    return bent.permute(0, 2, 3, 1).clamp(0, 1)


def scenes_apart(drawn: Tensor, target: Tensor, landmarks: Tensor) -> float:
    """How much of mouth and eyes of pictures [T, S, S, 3] uint8 differs coarsely; the worst frame.

    0..1, of what is left when 16 px are averaged.
    """
    share = weights(landmarks, drawn.shape[1])[:, None]
    off = (drawn.float() - target.float()).permute(0, 3, 1, 2) / 255
    coarse = F.avg_pool2d(off * share, COARSE) / F.avg_pool2d(share, COARSE).clamp(min=1e-6)
    held = F.avg_pool2d(share, COARSE)
    mean = (coarse.abs() * held).sum((1, 2, 3)) / (3 * held.sum((1, 2, 3))).clamp(min=1e-6)
    return float(mean.max())


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


def portrait_of(track: Track, number: int, head: HeadModel) -> Portrait:
    """One of the track's references, fitted; the crop is its own source."""
    place = track.places[number]
    image = track.references[number].float() / 255
    return Portrait(
        image=image,
        landmarks=track.landmarks[place],
        head=fit_head(track.landmarks[place], track.coefficients[place], head),
        source=image,
        to_source=torch.eye(2, 3),
    )


def examples_of_track(
    track: Track,
    *,
    head: HeadModel,
    length: int,
    references: int,
    apart: int,
    bent: bool = False,
) -> Iterator[Example]:
    """Examples of one shot, drawn from its references; where heads turn too far there are none.

    Args:
        track: The shot.
        head: The parametric head.
        length: Frames of an example, F.
        references: How many to draw from at most.
        apart: Frames from an example's first to the next one's, for each reference.
        bent: Whether targets are aligned with motion frames.
    """
    if len(track.frames) < length:
        return
    runs = [
        start
        for start in range(len(track.frames) - length + 1)
        if int(track.times[start + length - 1] - track.times[start]) == length - 1
    ]
    for number in range(min(references, len(track.places))):
        portrait = portrait_of(track, number, head)
        drawing = MotionFrames(head, portrait)
        motion = tracked_motion(portrait, track.faces(), head, drawing.mesh)
        near = motion.head_rotation[:, 1].abs() < MAX_YAW
        last = -apart + (number * apart) // max(references, 1)  # other frames for each reference
        for start in runs:
            part = slice(start, start + length)
            if start < last + apart or not bool(near[part].all()):
                continue
            last = start
            drawn = as_bytes(
                drawing.draw(
                    motion.coefficients[part],
                    motion.head_rotation[part],
                    motion.head_translation[part],
                )
            )
            target = drawn.clone()  # where the track holds nothing there is nothing to learn
            top, left = track.corner
            height, width = track.frames.shape[1:3]
            target[:, top : top + height, left : left + width] = track.frames[part]
            landmarks = track.landmarks[part]
            if bent:
                points = drawing.mesh(
                    motion.coefficients[part],
                    motion.head_rotation[part],
                    motion.head_translation[part],
                )[:, :MESH_LANDMARKS]
                seen = landmarks[:, :MESH_LANDMARKS, :2]
                off = (points[..., :2] - seen)[:, list(LIPS)].norm(dim=-1).mean(1)
                target = as_bytes(aligned(target.float() / 255, seen, points[..., :2]))
                landmarks = points
                if float(off.max()) > FAR or scenes_apart(drawn, target, landmarks) > OTHER:
                    continue
            matters = weights(landmarks, track.size)
            yield Example(
                clip=track.clip,
                reference=track.references[number : number + 1],
                motion=drawn,
                target=target,
                weight=as_bytes(matters[..., None].expand(-1, -1, -1, 3)),
            )


def drawn(
    number: int, *, tracks: Path, length: int, references: int, apart: int, bent: bool
) -> Iterator[Example]:
    """Examples of one track of a file; arguments as of `examples_of_track`."""
    (track,) = read_tracks(tracks, [number])
    head = HeadModel.from_checkpoint()
    yield from examples_of_track(
        track, head=head, length=length, references=references, apart=apart, bent=bent
    )


def main() -> None:
    """Make shards of all tracks of a file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tracks", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--references", type=int, default=3)
    parser.add_argument("--apart", type=int, default=8, help="frames between examples")
    parser.add_argument("--aligned", action="store_true")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--raw", action="store_true")
    args = parser.parse_args()
    make = partial(
        drawn,
        tracks=args.tracks,
        length=args.frames,
        references=args.references,
        apart=args.apart,
        bent=args.aligned,
    )
    write_shards(make, track_count(args.tracks), args.out, workers=args.workers, raw=args.raw)


if __name__ == "__main__":
    main()
