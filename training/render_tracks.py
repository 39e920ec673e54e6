"""Faces of clips and pictures, followed and packed small: what examples for the renderer need.

    python -m synchrorama.training.render_tracks --clips FOLDER --out FILE.safetensors
        [--names NAME ...] [--leave-out NAME ...] [--size 256] [--face 60] [--whole]

FOLDER holds pictures and animated pictures (WebP, GIF, PNG, JPEG), which the user may train on. A
clip is cut where its shot changes; of each shot the file holds where the face is, some frames to
draw from (first, lips most closed, most open, and one far from these) and what mouth and eyes look
like in all others. Pictures are WebP of high quality, or with --whole the whole crop without loss.

Shapes: T frames of a shot, R references, S px of the crop's side.
"""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Iterator, Sequence
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
from ..models.landmarks import EYES, INNER_LIPS, LIP_CORNERS, LOWER_LIP, MOUTH_CORNERS, UPPER_LIP
from ..models.portrait.landmarker import FaceLandmarker
from ..models.portrait.prepare import prepare_portrait
from ..models.types import Face, Portrait

FORMAT = "synchrorama.render_tracks"
CUT = 0.12  # mean difference of two frames, of 1, at which a shot ends
QUALITY = 95  # of WebP
ROOM = 44  # px kept around mouth and eyes
REFERENCES = 4
LIPS = (*MOUTH_CORNERS, *INNER_LIPS, *UPPER_LIP[-1], *LOWER_LIP[-1])
LIDS = tuple(k for eye in EYES for k in eye.loop)
SUFFIXES = ("webp", "gif", "png", "jpg", "jpeg")


@dataclass(frozen=True, eq=False, kw_only=True)
class Track:
    """One face in one shot, in px of one crop."""

    clip: str  # file that it is from
    size: int  # S
    corner: tuple[int, int]  # row and column where `frames` begin
    frames: Tensor  # [T, h, w, 3] uint8, a part of the crop
    times: Tensor  # [T] int64, numbers of the frames in the clip
    landmarks: Tensor  # [T, 478, 3] px of the crop
    coefficients: Tensor  # [T, 52] as scored
    places: tuple[int, ...]  # which of the T frames the references are
    references: Tensor  # [R, S, S, 3] uint8

    def faces(self, part: slice = slice(None)) -> list[Face]:
        """The faces of some frames."""
        pairs = zip(self.landmarks[part], self.coefficients[part], strict=True)
        return [
            Face(
                box=torch.cat((points[:, :2].amin(0), points[:, :2].amax(0))),
                score=1.0,
                landmarks=points,
                coefficients=scores,
            )
            for points, scores in pairs
        ]


def read_clip(path: Path) -> Tensor:
    """Frames of a picture or an animated one, [T, H, W, 3] uint8."""
    with Image.open(path) as file:
        frames = [np.asarray(one.convert("RGB")) for one in ImageSequence.Iterator(file)]
    return torch.from_numpy(np.stack(frames))


def shots(frames: Tensor) -> list[tuple[int, int]]:
    """First and last frame plus one of each shot of a clip [T, H, W, 3] uint8."""
    small = F.interpolate(frames.permute(0, 3, 1, 2).float() / 255, (32, 32), mode="area")
    cuts = (small.diff(dim=0).abs().mean((1, 2, 3)) > CUT).nonzero()[:, 0] + 1
    ends = [0, *cuts.tolist(), len(frames)]
    return list(zip(ends, ends[1:], strict=False))


def gap(landmarks: Tensor) -> Tensor:
    """How far lips are apart in mouth widths, from landmarks [..., K, D]: [...]."""
    upper, lower = (landmarks[..., list(row[0][2:7]), :2] for row in (UPPER_LIP, LOWER_LIP))
    right, left = (landmarks[..., k, :2] for k in LIP_CORNERS)
    return (lower - upper).norm(dim=-1).mean(-1) / (left - right).norm(dim=-1).clamp(min=1e-6)


def tracks_of_clip(
    frames: Tensor,
    clip: str,
    *,
    landmarker: FaceLandmarker,
    head: HeadModel,
    size: int,
    min_face: float,
    whole: bool = False,
) -> Iterator[Track]:
    """A track for each shot of a clip in which a face is found and large enough.

    Args:
        frames: [T, H0, W0, 3] uint8.
        clip: Its name.
        landmarker: Follows the face.
        head: The parametric head.
        size: Side of the crop in px.
        min_face: Width in px of faces that are large enough.
        whole: Keep the whole crop of each frame, not mouth and eyes alone.
    """
    for start, stop in shots(frames):
        pictures = frames[start:stop].float() / 255
        found = landmarker.track(pictures)
        good = [i for i, face in enumerate(found) if face is not None and width(face) >= min_face]
        if not good:
            continue
        faces = [face for i in good if (face := found[i]) is not None]
        try:
            portrait = prepare_portrait(
                pictures[good[0]],
                landmarker=landmarker,
                head=head,
                size=size,
                landmarks=faces[0].landmarks,
            )
        except ValueError:  # turned too far, or cut off
            continue
        corner, ratio = portrait.to_source[:, 2], float(portrait.to_source[0, 0])
        landmarks = torch.stack([face.landmarks for face in faces]) / ratio
        landmarks[..., :2] -= corner / ratio
        crops = as_bytes(crop(pictures[good], portrait))
        places = references_of(landmarks)
        bounds = (0, size, 0, size)
        if not whole:
            points = landmarks[:, [*LIPS, *LIDS], :2]
            low, high = points.amin((0, 1)) - ROOM, points.amax((0, 1)) + ROOM
            (left, top), (right, bottom) = (one.round().long().tolist() for one in (low, high))
            bounds = (max(top, 0), min(bottom, size), max(left, 0), min(right, size))
        top, bottom, left, right = bounds
        yield Track(
            clip=clip,
            size=size,
            corner=(top, left),
            frames=crops[:, top:bottom, left:right].clone(),
            times=torch.tensor(good) + start,
            landmarks=landmarks,
            coefficients=torch.stack([face.coefficients for face in faces]),
            places=places,
            references=crops[list(places)],
        )


def references_of(landmarks: Tensor, count: int = REFERENCES) -> tuple[int, ...]:
    """Frames to draw from, of landmarks [T, K, 3]: each once, the first frame first."""
    gaps = gap(landmarks)
    chosen = list(dict.fromkeys([0, int(gaps.argmin()), int(gaps.argmax())]))
    while len(chosen) < min(count, len(landmarks)):
        away = torch.cdist(landmarks[..., :2].flatten(1), landmarks[chosen][..., :2].flatten(1))
        farthest = away.amin(1)
        farthest[chosen] = -1.0
        chosen.append(int(farthest.argmax()))
    return tuple(chosen[:count])


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


def width(face: Face) -> float:
    """In px, ear to ear of the mesh."""
    return float(face.landmarks[:, 0].max() - face.landmarks[:, 0].min())


def as_bytes(pictures: Tensor) -> Tensor:
    """Pictures 0..1 as uint8."""
    return (pictures * 255).round().clamp(0, 255).to(torch.uint8)


def pack(picture: Tensor, quality: int | None = None) -> Tensor:
    """A picture [H, W, 3] uint8 as WebP, [bytes] uint8; without loss unless a quality is given."""
    buffer = io.BytesIO()
    how = {"lossless": True, "quality": 30} if quality is None else {"quality": quality}
    Image.fromarray(picture.contiguous().numpy()).save(buffer, "WEBP", **how)
    return torch.frombuffer(bytearray(buffer.getvalue()), dtype=torch.uint8)


def unpack(data: Tensor) -> Tensor:
    """The picture that `pack` packed."""
    with Image.open(io.BytesIO(data.numpy().tobytes())) as file:
        return torch.from_numpy(np.array(file.convert("RGB")))


def write_tracks(tracks: Sequence[Track], path: Path, quality: int | None = QUALITY) -> None:
    """Tracks in one file."""
    tensors, heads = {}, []
    for i, one in enumerate(tracks):
        heads.append({"clip": one.clip, "size": one.size, "corner": one.corner,
                      "places": one.places, "frames": len(one.frames)})  # fmt: skip
        tensors[f"{i}.landmarks"] = one.landmarks.mul(64).round().to(torch.int16)
        tensors[f"{i}.coefficients"] = one.coefficients.half()
        tensors[f"{i}.times"] = one.times.to(torch.int32)
        for field, pictures in (("frames", one.frames), ("references", one.references)):
            for k, picture in enumerate(pictures):
                tensors[f"{i}.{field}.{k}"] = pack(picture, quality)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path, {"format": FORMAT, "tracks": json.dumps(heads)})


def track_count(path: Path) -> int:
    """How many tracks a file holds."""
    with safe_open(path, framework="pt") as file:
        return len(json.loads((file.metadata() or {}).get("tracks", "[]")))


def read_tracks(path: Path, only: Sequence[int] | None = None) -> Iterator[Track]:
    """The tracks of a file, one by one.

    Args:
        path: Of the file.
        only: Numbers of those that are wanted; None for all.

    Raises:
        ValueError: It holds none.
    """
    with safe_open(path, framework="pt") as file:
        header = file.metadata() or {}
        if header.get("format") != FORMAT:
            raise ValueError(f"'{path.name}' holds no tracks. Make it by render_tracks.")
        for i, one in enumerate(json.loads(header["tracks"])):
            if only is not None and i not in only:
                continue

            def pictures(field: str, count: int, i: int = i) -> Tensor:
                return torch.stack(
                    [unpack(file.get_tensor(f"{i}.{field}.{k}")) for k in range(count)]
                )

            yield Track(
                clip=one["clip"],
                size=one["size"],
                corner=tuple(one["corner"]),
                frames=pictures("frames", one["frames"]),
                times=file.get_tensor(f"{i}.times").long(),
                landmarks=file.get_tensor(f"{i}.landmarks").float() / 64,
                coefficients=file.get_tensor(f"{i}.coefficients").float(),
                places=tuple(one["places"]),
                references=pictures("references", len(one["places"])),
            )


def main() -> None:
    """Pack the faces of a folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--names", nargs="*", help="of files without suffix; all when not given")
    parser.add_argument("--leave-out", nargs="*", default=[])
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--face", type=float, default=60.0, help="smallest face in px")
    parser.add_argument("--whole", action="store_true", help="whole crops, without loss")
    args = parser.parse_args()
    landmarker, head = FaceLandmarker.from_checkpoint(), HeadModel.from_checkpoint()
    tracks: list[Track] = []
    paths = sorted(path for suffix in SUFFIXES for path in args.clips.rglob(f"*.{suffix}"))
    for path in paths:
        if path.stem in args.leave_out or (args.names is not None and path.stem not in args.names):
            continue
        before = len(tracks)
        try:
            tracks += tracks_of_clip(
                read_clip(path),
                path.stem,
                landmarker=landmarker,
                head=head,
                size=args.size,
                min_face=args.face,
                whole=args.whole,
            )
        except (ValueError, OSError) as error:
            print(f"{path.name}: left out ({error})")
            continue
        frames = [len(one.frames) for one in tracks[before:]]
        print(f"{path.name}: frames {frames}", flush=True)
    write_tracks(tracks, args.out, None if args.whole else QUALITY)


if __name__ == "__main__":
    main()
