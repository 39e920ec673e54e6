"""Examples for the renderer from open mouths: closed by the warp, then opened again and painted.

    python -m synchrorama.training.render_pairs --tracks FILE --out FOLDER
        [--variants 6] [--seed 0] [--workers 1] [--raw]

FILE holds what render_tracks packed of pictures and clips. Where a mouth is open, the reference is
that very picture with its lips warped shut and its head turned a little; motion frames open it
again, with the inside painted. The target is what the picture shows, so that nothing but the
inside, the lips' edges and the warp's faults tells the two apart. A closed mouth stays closed,
under another smile: there is little to change, which has to be learnt, too.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from ..models.head import HeadModel
from ..models.landmarks import EYES
from ..models.motion.frames import MotionFrames
from ..models.portrait.fit import MESH_LANDMARKS, fit_head
from ..models.types import ARKIT_INDEX, ARKIT_NAMES, Portrait
from .render_data import portrait_of, tracked_motion, weights
from .render_shards import Example, write_shards
from .render_tracks import Track, as_bytes, gap, read_tracks, track_count

GAP = 0.05  # mouth widths between the lips from which a mouth is open
TURN = 0.08  # radians, standard deviation of the reference's turn
SHIFT = 0.01  # face widths, of its shift
CLOSED_SHARE = 3  # for so many variants of an open mouth one of a closed mouth
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


def reopened_examples(
    track: Track, *, head: HeadModel, variants: int, generator: torch.Generator
) -> Iterator[Example]:
    """Examples of one frame each of the references of a track.

    Args:
        track: A shot or a picture.
        head: The parametric head.
        variants: Of each open mouth.
        generator: Of the references' turns.
    """
    for number, place in enumerate(track.places):
        seen = portrait_of(track, number, head)
        is_open = float(gap(track.landmarks[place])) >= GAP
        for _ in range(variants if is_open else -(-variants // CLOSED_SHARE)):
            portrait = closed_portrait(seen, head, generator)
            drawing = MotionFrames(head, portrait)
            faces = track.faces(slice(place, place + 1))
            motion = tracked_motion(portrait, faces, head, drawing.mesh)
            drawn = drawing.draw(motion.coefficients, motion.head_rotation, motion.head_translation)
            matters = weights(track.landmarks[place][None], track.size)
            yield Example(
                clip=track.clip,
                reference=as_bytes(portrait.image[None]),
                motion=as_bytes(drawn),
                target=track.references[number : number + 1],
                weight=as_bytes(matters[..., None].expand(-1, -1, -1, 3)),
            )


def reopened(number: int, *, tracks: Path, variants: int, seed: int) -> Iterator[Example]:
    """Examples of one track of a file; arguments as of `reopened_examples`."""
    (track,) = read_tracks(tracks, [number])
    generator = torch.Generator().manual_seed(1000 * seed + number)
    head = HeadModel.from_checkpoint()
    yield from reopened_examples(track, head=head, variants=variants, generator=generator)


def main() -> None:
    """Make shards of all tracks of a file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tracks", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--variants", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--raw", action="store_true")
    args = parser.parse_args()
    make = partial(reopened, tracks=args.tracks, variants=args.variants, seed=args.seed)
    write_shards(make, track_count(args.tracks), args.out, workers=args.workers, raw=args.raw)


if __name__ == "__main__":
    main()
