"""Examples for the renderer from renders of the head that speak, where every pixel is known.

    python -m synchrorama.training.render_heads --speech FOLDER --acts FILE
        [--frames 8] [--heads 60] [--each 3] [--seed 0]
    python -m synchrorama.training.render_heads --acts FILE --out FOLDER
        [--size 256] [--seed 0] [--workers 1] [--raw]

FOLDER holds recordings named as emoDB's are, whose sixth letter is the emotion. The first command
has them heard and writes down what heads do to say them, the second films it. Each head has a
shape, skin, lips, teeth and light of its own; the reference is its render at rest, the target its
render while it speaks, lit in the mouth by what reaches there. Its tongue rises with the share of
high sound, as it does for front vowels and hisses: nothing but the sound tells where it is.

Shapes: F frames, V vertices, Q triangles, H W px.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from ..models.emotion.direct import direct_emotion, parse_direction
from ..models.emotion.fusion import EmotionFusion
from ..models.head import HeadModel, project, rotation_matrix
from ..models.landmarks import LOWER_LIP, UPPER_LIP
from ..models.motion.audio_to_motion import AudioToMotion, motion_from_audio
from ..models.motion.dials import Dials
from ..models.motion.frames import MotionFrames
from ..models.motion.photo_mesh import GAINS
from ..models.portrait.fit import MESH_LANDMARKS
from ..models.raster import interpolate, rasterise
from ..models.render.clip import speech_windows
from ..models.speech import frame_count
from ..models.types import ARKIT_INDEX, FittedHead, Portrait
from .render_data import weights
from .render_shards import Example, write_shards
from .render_tracks import as_bytes

FPS, SECONDS = 25.0, 2.4
SAMPLES = 2  # per pixel and axis
EMODB = {
    "W": "angry",
    "L": "sad 0.4",  # boredom
    "E": "disgusted",
    "A": "fearful",
    "F": "happy",
    "T": "sad",
    "N": "neutral",
}
SKINS = ((0.93, 0.76, 0.68), (0.85, 0.64, 0.52), (0.70, 0.49, 0.37), (0.48, 0.31, 0.23))
LIP_REACH, BROW_REACH = 0.022, 0.028  # head units from a landmark
BROWS = (70, 63, 105, 66, 107, 336, 296, 334, 293, 300)
SURFACE = 0.04  # head units from a landmark within which skin is the face's outside
RAISE = 0.07  # head units that the tongue rises at most
MEL_STEPS = 40  # to 1 of mel features, -2 to 3, in files
HIGH = 40  # mel band from which sound is high, about 2 kHz


@dataclass(frozen=True, eq=False, kw_only=True)
class Actor:
    """One head as it looks."""

    identity: Tensor  # [I]
    fitted: FittedHead  # where it stands, at rest
    albedo: Tensor  # [V, 3]
    grain: Tensor  # [1, 3, H, W] of the skin, as it lies on the picture
    light: Tensor  # [3] direction
    colour: Tensor  # [3] of the light
    ambient: float
    gloss: float  # of wet surfaces
    reach: float  # head units that light gets into the mouth
    lowered: float  # head units by which the teeth are
    background: Tensor  # [H, W, 3]


def cast_actor(head: HeadModel, size: int, generator: torch.Generator) -> Actor:
    """Somebody at random."""

    def draw(low: float = 0.0, high: float = 1.0) -> float:
        return low + (high - low) * float(torch.rand((), generator=generator))

    identity = 0.7 * torch.randn(len(head.identity), generator=generator)
    shape = head.shape(identity)
    skin = torch.tensor(SKINS[int(draw(0, len(SKINS) - 0.001))]) * draw(0.85, 1.1)
    albedo = skin.expand(len(shape), 3).clone()
    blotches = torch.randn(6, 3, generator=generator) * 9
    waves = (shape @ blotches.T + 6 * torch.rand(6, generator=generator)).sin().mean(1)
    albedo *= 1 + 0.12 * waves[:, None]
    marks = head.at_landmarks(shape)
    lips = marks[[k for row in (*UPPER_LIP[0:3], *LOWER_LIP[0:3]) for k in row]]
    is_skin = (head.part == head.parts.index("skin")).float()
    near = torch.exp(-((torch.cdist(shape, lips).amin(1) / LIP_REACH) ** 2)) * is_skin
    red = torch.tensor([draw(0.62, 0.95), draw(0.35, 0.6), draw(0.38, 0.62)])
    albedo = albedo.lerp(skin * red, 0.9 * near[:, None])
    brow = torch.exp(-((torch.cdist(shape, marks[list(BROWS)]).amin(1) / BROW_REACH) ** 2))
    albedo = albedo.lerp(skin * draw(0.15, 0.6), 0.8 * (brow * is_skin)[:, None])
    teeth = torch.tensor([0.95, 0.91, 0.83]) * draw(0.75, 1.0)
    tongue = torch.tensor([draw(0.55, 0.8), draw(0.25, 0.42), draw(0.25, 0.42)])
    for name, paint in (
        ("upper_teeth", teeth),
        ("lower_teeth", teeth * draw(0.88, 1.0)),
        ("tongue", tongue),
        ("eye", torch.tensor([0.88, 0.86, 0.84])),
    ):
        albedo[head.part == head.parts.index(name)] = paint
    eyes = (head.part == head.parts.index("eye")).nonzero()[:, 0]
    for middle in head.eyes:
        iris = (shape[eyes, :2] - middle[:2]).norm(dim=1) < 0.028
        albedo[eyes[iris & (shape[eyes, 2] > middle[2])]] = torch.tensor([0.16, 0.11, 0.08])
    turn = 0.12 * torch.randn(3, generator=generator)
    scale = size * draw(0.40, 0.58)
    fitted = FittedHead(
        identity=identity,
        expression=torch.zeros(len(head.units)),
        rotation=rotation_matrix(turn),
        scale=scale,
        translation=torch.tensor([size / 2, size * 0.58]) + 4 * draw(-1, 1),
        error=0.0,
    )
    small = torch.rand(1, 3, 5, 5, generator=generator)
    background = F.interpolate(small, (size, size), mode="bicubic").clamp(0, 1)
    noise = torch.randn(1, 1, size // 2, size // 2, generator=generator)
    return Actor(
        identity=identity,
        fitted=fitted,
        albedo=albedo.clamp(0, 1),
        grain=F.interpolate(noise, (size, size), mode="bicubic") * draw(0.0, 0.03),
        light=F.normalize(torch.tensor([draw(-1, 1), draw(-0.2, 1), draw(0.5, 1.2)]), dim=0),
        colour=torch.tensor([draw(0.8, 1.1), draw(0.8, 1.0), draw(0.7, 1.05)]) * draw(1.0, 1.5),
        ambient=draw(0.25, 0.6),
        gloss=draw(0.05, 0.35),
        reach=draw(0.10, 0.20),
        lowered=draw(0.015, 0.032),
        background=background[0].permute(1, 2, 0),
    )


def photograph(actor: Actor, head: HeadModel, shape: Tensor, pose: FittedHead) -> Tensor:
    """Renders [F, H, W, 3] of shapes [F, V, 3]."""
    size = actor.background.shape[0]
    count = len(shape)
    teeth = torch.zeros(len(head.part))
    for name in ("upper_teeth", "lower_teeth"):
        teeth[head.part == head.parts.index(name)] = actor.lowered
    shape = shape - teeth[:, None] * torch.tensor([0.0, 1.0, 0.0])
    points = project(shape, pose)  # [F, V, 3]
    corner = shape[:, head.faces]
    face = torch.linalg.cross(corner[:, :, 1] - corner[:, :, 0], corner[:, :, 2] - corner[:, :, 0])
    normals = torch.zeros_like(shape)
    for k in range(3):
        normals.index_add_(1, head.faces[:, k], face)
    normals = F.normalize(normals @ pose.rotation.T, dim=-1)
    is_skin = head.part == head.parts.index("skin")
    marks = head.at_landmarks(shape)
    upper, lower = marks[:, list(UPPER_LIP[0])], marks[:, list(LOWER_LIP[0])]  # [F, J, 3]
    gap = (upper - lower).norm(dim=-1).mean(1)  # head units
    front = (upper[..., 2] + lower[..., 2]).mean(1) / 2 + 0.01
    middle = (upper + lower).mean(1) / 2  # [F, 3]
    deep = (front[:, None] - shape[..., 2]).clamp(min=0)  # how far behind the lips
    off = (shape[..., 1] - middle[:, None, 1]).abs()  # and away from their opening
    beyond = (off - gap[:, None] / 2).clamp(min=0)
    reached = torch.exp(-deep / (actor.reach * (0.5 + 4 * gap[:, None]))) * torch.exp(
        -beyond / 0.04
    )
    # what is skin by name and neither near the face's surface nor outside of the mouth's corners
    rest = head.at_landmarks(head.vertices)[:MESH_LANDMARKS]
    hidden = is_skin & (torch.cdist(head.vertices, rest).amin(1) > SURFACE)
    corners = marks[:, list(UPPER_LIP[0]), 0]
    hole = (shape[..., 0] > corners.amin(1)[:, None]) & (shape[..., 0] < corners.amax(1)[:, None])
    hole &= hidden & (deep > 0.06) & (off < 0.2)
    occlusion = torch.where(is_skin & ~hole, 1.0, reached)  # [F, V]
    lit = (normals @ actor.light).clamp(min=0)
    half = F.normalize(actor.light + torch.tensor([0.0, 0.0, 1.0]), dim=0)
    shine = (normals @ half).clamp(min=0) ** 24
    wet = torch.where(is_skin, 0.25, 0.6) * actor.gloss
    colour = actor.albedo * (actor.ambient + (1 - actor.ambient) * lit)[..., None]
    colour = (colour + (wet * shine)[..., None]) * occlusion[..., None] * actor.colour
    xy, rows = points[..., :2] * SAMPLES, size * SAMPLES
    index = rasterise(xy, points[..., 2], head.faces, rows, rows)
    seen = interpolate(index, xy, head.faces, colour)
    seen = torch.where((index >= 0)[..., None], seen, 0.0).permute(0, 3, 1, 2)
    covered = F.avg_pool2d((index >= 0).float()[:, None], SAMPLES)
    picture = F.avg_pool2d(seen, SAMPLES) * (1 + actor.grain)
    picture = picture + (1 - covered) * actor.background.permute(2, 0, 1).expand(count, -1, -1, -1)
    return picture.permute(0, 2, 3, 1).clamp(0, 1)


def raised_tongue(head: HeadModel, mel: Tensor) -> Tensor:
    """What the tongue adds to vertices, [F, V, 3], for mel features [F, L, M] around frames."""
    energy = mel.mean(1).mul(2.3).exp()  # log10 to a rough power
    high = energy[:, HIGH:].sum(1) / energy.sum(1).clamp(min=1e-6)
    tongue = (head.part == head.parts.index("tongue")).float()
    front = ((head.vertices[:, 2] - 0.35) / 0.2).clamp(0, 1) * tongue
    up = torch.tensor([0.0, 1.0, 0.25])
    return RAISE * (2 * high).clamp(max=1)[:, None, None] * front[:, None] * up


def head_examples(
    head: HeadModel,
    actor: Actor,
    coefficients: Tensor,
    rotation: Tensor,
    mel: Tensor,
    emotion: Tensor,
    name: str,
) -> Example:
    """One example of F frames of coefficients [F, 52] and turns [F, 3].

    Args:
        head: The parametric head.
        actor: Who speaks.
        coefficients: As motion has them.
        rotation: Of the head, radians.
        mel: [F, L, M].
        emotion: [F, 256].
        name: Of the clip.
    """
    size = actor.background.shape[0]
    rest = head.shape(actor.identity)
    picture = photograph(actor, head, rest[None], actor.fitted)[0]
    landmarks = project(head.at_landmarks(rest), actor.fitted)
    landmarks[:, 2] *= -1
    portrait = Portrait(
        image=picture,
        landmarks=landmarks,
        head=actor.fitted,
        source=picture,
        to_source=torch.eye(2, 3),
    )
    drawing = MotionFrames(head, portrait)
    still = torch.zeros_like(rotation)
    drawn = drawing.draw(coefficients, rotation, still)
    felt = coefficients.clone()
    for unit, gain in GAINS.items():
        felt[:, ARKIT_INDEX[unit]] *= gain
    shape = rest + torch.einsum("fc,cvd->fvd", felt, head.units) + raised_tongue(head, mel)
    targets, points = [], []
    for one, turn in zip(shape, rotation_matrix(rotation), strict=True):
        pose = FittedHead(
            identity=actor.identity,
            expression=actor.fitted.expression,
            rotation=turn @ actor.fitted.rotation,
            scale=actor.fitted.scale,
            translation=actor.fitted.translation,
            error=0.0,
        )
        targets.append(photograph(actor, head, one[None], pose)[0])
        points.append(project(head.at_landmarks(one), pose))
    return Example(
        clip=name,
        reference=as_bytes(picture[None]),
        motion=as_bytes(drawn),
        target=as_bytes(torch.stack(targets)),
        weight=as_bytes(weights(torch.stack(points), size)[..., None].expand(-1, -1, -1, 3)),
        emotion=emotion,
        speech=mel,
    )


def write_acts(speech: Path, path: Path, *, heads: int, each: int, frames: int, seed: int) -> None:
    """What heads do to say pieces of recordings: a file of tensors [heads, each, F, ...].

    Args:
        speech: Folder of recordings.
        path: Of the file.
        heads: How many.
        each: Pieces of a recording.
        frames: F of a piece.
        seed: Of recordings and pieces.
    """
    from ..models.media import read_audio  # not needed where the file is there already

    generator = torch.Generator().manual_seed(seed)
    model, fusion = AudioToMotion.from_checkpoint(), EmotionFusion.from_checkpoint()
    files = sorted(speech.rglob("*.flac"))
    acts: dict[str, list[Tensor]] = {}
    for number in range(heads):
        recording = files[int(torch.randint(len(files), (), generator=generator))]
        waveform, rate = read_audio(recording)
        waveform = waveform[..., : round(SECONDS * rate)]
        count = frame_count(waveform.shape[-1], rate, FPS)
        felt = direct_emotion(fusion, parse_direction(EMODB[recording.stem[5]]), count, FPS)
        motion = motion_from_audio(
            model, waveform, rate, fps=FPS, seed=number, emotion=felt, dials=Dials(head=0.6)
        )
        signals = {
            "coefficients": motion.coefficients,
            "rotation": motion.head_rotation,
            "mel": speech_windows(waveform, rate, count, FPS),
            "emotion": felt.embedding,
        }
        starts = torch.randint(max(count - frames, 1), (each,), generator=generator).tolist()
        for name, one in signals.items():
            pieces = torch.stack([one[start : start + frames] for start in starts])
            acts.setdefault(name, []).append(
                (pieces * MEL_STEPS).round().to(torch.int8) if name == "mel" else pieces.half()
            )
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: torch.stack(ones) for name, ones in acts.items()}, path)


def filmed(number: int, *, acts: Path, size: int, seed: int) -> Iterator[Example]:
    """Examples of one head that does what a file of acts says, on pictures of size px."""
    act = {name: one[number].float() for name, one in load_file(acts).items()}
    act["mel"] /= MEL_STEPS
    head = HeadModel.from_checkpoint()
    actor = cast_actor(head, size, torch.Generator().manual_seed(1000 * seed + number))
    for k in range(len(act["mel"])):
        yield head_examples(
            head,
            actor,
            act["coefficients"][k],
            act["rotation"][k],
            act["mel"][k],
            act["emotion"][k],
            f"head{seed}_{number}",
        )


def main() -> None:
    """Write acts, or shards."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--acts", type=Path, required=True)
    parser.add_argument("--speech", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--heads", type=int, default=60)
    parser.add_argument("--each", type=int, default=3, help="examples of a head")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--raw", action="store_true")
    args = parser.parse_args()
    if args.speech:
        write_acts(
            args.speech,
            args.acts,
            heads=args.heads,
            each=args.each,
            frames=args.frames,
            seed=args.seed,
        )
    if not args.out:
        return
    with safe_open(args.acts, framework="pt") as file:
        heads = file.get_slice("mel").get_shape()[0]
    make = partial(filmed, acts=args.acts, size=args.size, seed=args.seed)
    write_shards(make, heads, args.out, workers=args.workers, raw=args.raw)


if __name__ == "__main__":
    main()
