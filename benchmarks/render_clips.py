"""Does the built-in renderer make motion frames of clips that it never saw more like the truth?

    python benchmarks/render_clips.py --held FOLDER --fit FOLDER [FOLDER ...]
        [--weights FILE] [--noise 0.35] [--steps 4] [--picture FILE.png] [--out FILE.json]

Folders hold shards of `training.render_data`: HELD of clips that were never trained on (tracked
with --whole, drawn with --references 1), FIT of those that were. All pictures are compared in the
box around the mouth, or the eyes, of the truth:

- "motion": the motion frames; "blur": the same, blurred by 0.7 px in the box.
- "flat": the mouth's inside as one colour, so many times the skin around it, where the three
  numbers are fitted to FIT; "flat_blur": that, blurred.
- "ours": the renderer in its boxes, four steps, as the nodes run it.

Sharpness is the mean gradient over the truth's. Features are those of the Face Landmarker's first
layers, which no training of ours has used. Lips are found again by the landmarker: mean distance of
the 40 points of the lips from those in the truth, in px.

Needed on each clip: ours not below motion; over all: 0.5 dB over the best of the others, sharpness
0.85 to 1.15, features 10 % closer, lips no further off.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from common import RESULTS, Studio, machine, write_result
from PIL import Image
from synchrorama.models.landmarks import INNER_LIPS, LOWER_LIP, MOUTH_CORNERS, UPPER_LIP
from synchrorama.models.motion.polygon import signed_distance, smooth_loop
from synchrorama.models.render.codec import PixelUnshuffle
from synchrorama.models.render.keys import fill
from synchrorama.models.render.region import refine_boxes, refine_region
from synchrorama.models.render.sample import Sampling, sample, with_network
from synchrorama.models.render.unet import Conditions, UNet
from synchrorama.models.render.weights import BUILTIN_FILE, load_renderer
from synchrorama.training.render_shards import Example, read_shard
from synchrorama.training.render_windows import middles_of
from torch import Tensor

LIPS = (*MOUTH_CORNERS, *INNER_LIPS, *UPPER_LIP[-1], *LOWER_LIP[-1])
SIGMA, WIDE, ROOM = 0.7, 8, 14  # px: of the blur, of the skin around lips, around the features
METHODS = ("motion", "blur", "flat", "flat_blur", "ours")


def blurred(pictures: Tensor) -> Tensor:
    """[N, 3, H, W] with a Gaussian of SIGMA px."""
    at = torch.arange(-3, 4.0)
    row = torch.exp(-(at**2) / (2 * SIGMA**2))
    row = (row / row.sum()).view(1, 1, 1, -1).expand(3, -1, -1, -1)
    for kernel, pad in ((row, (3, 3, 0, 0)), (row.mT, (0, 0, 3, 3))):
        pictures = F.conv2d(F.pad(pictures, pad, mode="replicate"), kernel, groups=3)
    return pictures


def planes(pictures: Tensor) -> Tensor:
    """[N, H, W, 3] uint8 → [N, 3, H, W] 0..1."""
    return pictures.permute(0, 3, 1, 2).float() / 255


def inside_and_skin(landmarks: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """The mouth's inside and a ring around the lips, [N, 1, H, W] 0..1, from landmarks."""
    inner = smooth_loop(landmarks[:, list(INNER_LIPS), :2], 3)
    inside = (signed_distance(inner, 0, 0, size, size) + 0.5).clamp(0, 1)
    right, left = MOUTH_CORNERS
    outer = [right, *UPPER_LIP[-1], left, *reversed(LOWER_LIP[-1])]
    away = -signed_distance(landmarks[:, outer, :2], 0, 0, size, size)
    ring = ((away > 2) & (away < WIDE)).float()
    return inside[:, None], ring[:, None]


class Judge:
    """Finds faces and compares pictures."""

    def __init__(self) -> None:
        self.studio = Studio()

    def landmarks(self, pictures: Tensor, like: Tensor | None = None) -> Tensor | None:
        """[N, 478, 3] of pictures [N, 3, H, W]; None when a face is lost.

        Args:
            pictures: What to search.
            like: [N, 478, 3] where the faces are, about; without, each picture is searched.
        """
        out = []
        for i, one in enumerate(pictures.permute(0, 2, 3, 1)):
            box = None
            if like is not None:
                box = torch.cat((like[i, :, :2].amin(0), like[i, :, :2].amax(0)))
            found = self.studio.landmarker.faces(one.contiguous(), box)
            if not found:
                return None
            out.append(found[0].landmarks)
        return torch.stack(out)

    def features(self, pictures: Tensor) -> list[Tensor]:
        """Of windows [N, 3, S, S], at three depths."""
        mesh = self.studio.landmarker.mesh
        x = F.interpolate(pictures, (256, 256), mode="bilinear", align_corners=False)
        x = mesh.stem_slope(mesh.stem(F.pad(x, (0, 1, 0, 1))))
        out = []
        for i, block in enumerate(mesh.blocks[:15]):
            x = block(x)
            if i in (3, 8, 13):
                out.append(x)
        return out

    def distance(self, pictures: Tensor, truth: Tensor) -> float:
        """Between features, as a share of the truth's size."""
        pairs = zip(self.features(pictures), self.features(truth), strict=True)
        return float(np.mean([float((a - b).abs().mean() / b.abs().mean()) for a, b in pairs]))


def fitted_colour(judge: Judge, shards: Iterable[Path], most: int = 50) -> Tensor:
    """How many times the skin around a mouth its inside is, [3], by least squares."""
    above, below = torch.zeros(3), torch.zeros(3)
    examples = [one for path in shards for one in read_shard(path) if one.emotion is None]
    for one in examples[:: max(len(examples) // most, 1)]:
        motion, target = planes(one.motion[:1]), planes(one.target[:1])
        points = judge.landmarks(motion)
        if points is None:
            continue
        inside, ring = inside_and_skin(points, motion.shape[-1])
        if float(inside.sum()) < 12 or float(ring.sum()) < 12:
            continue
        skin = (motion * ring).sum((0, 2, 3)) / ring.sum()
        above += (target * inside).sum((0, 2, 3)) * skin
        below += inside.sum() * skin * skin
    return above / below.clamp(min=1e-6)


def boxes_of(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Mouth's and eyes' boxes as masks [N, 1, H, W] from weights [N, H, W, 3]."""
    mouth = torch.zeros(weight.shape[:3])
    for i, one in enumerate(weight[..., 0]):
        row = float(middles_of(one)[0][0])
        rows = one.any(1).nonzero()[:, 0]
        breaks = rows[1:][rows.diff() > 1]
        first = int(breaks[-1]) if len(breaks) else int(rows[0]) if len(rows) else round(row)
        mouth[i, first:] = (one[first:] > 0).float()
    everything = (weight[..., 0] > 0).float()
    return mouth[:, None], (everything - mouth)[:, None]


def psnr(a: Tensor, b: Tensor, mask: Tensor) -> float:
    """Within a mask [N, 1, H, W], dB."""
    error = ((a - b).square() * mask).sum() / (3 * mask.sum()).clamp(min=1)
    return float(-10 * error.clamp(min=1e-9).log10())


def sharpness(a: Tensor, truth: Tensor, mask: Tensor) -> float:
    """Mean gradient in the mask over the truth's."""

    def much(x: Tensor) -> float:
        total = 0.0
        for axis in (2, 3):
            total += float((x.diff(dim=axis).abs() * mask.narrow(axis, 1, x.shape[axis] - 1)).sum())
        return total

    return much(a) / max(much(truth), 1e-6)


class Renderer:
    """The network, as the nodes use it."""

    def __init__(self, path: Path, sampling: Sampling) -> None:
        renderer = load_renderer(path)
        self.config = renderer.config
        self.network = UNet(renderer.config.denoiser)
        fill(self.network, renderer.tensors, path.name)
        self.codec = PixelUnshuffle(renderer.config.downscale)
        self.sampling = sampling

    def render(
        self,
        one: Example,
        points: Tensor,
        change: Callable[[Conditions], Conditions] = lambda given: given,
        reference: Tensor | None = None,
    ) -> Tensor:
        """An example's frames [F, 3, H, W] as rendered, changed in the region alone.

        Args:
            one: The example.
            points: [F, 478, 3] of its motion frames.
            change: What to do to the conditions.
            reference: Another one, [1, H, W, 3] uint8.
        """
        motion = planes(one.motion)
        size = motion.shape[-1]
        boxes = refine_boxes(points, size, size, self.config.downscale)
        latents = self.codec.encode(planes(one.reference if reference is None else reference))
        given = Conditions(
            reference=self.network.read_parts(latents, boxes),
            emotion=one.emotion,
            speech=one.speech,
        )
        denoise = with_network(self.network, change(given))
        start = self.codec.encode(motion)
        chunks = sample(denoise, [start], len(start), self.config.window, self.sampling)
        made = self.codec.decode(torch.cat(list(chunks)))
        share = refine_region(points, size, size)[:, None]
        return torch.where(share > 0, motion + share * (made - motion), motion).clamp(0, 1)


def compare(
    judge: Judge, renderer: Renderer, one: Example, colour: Tensor
) -> dict[str, Any] | None:
    """All figures of an example, its pictures under "pictures"; None when its face is lost."""
    motion, target = planes(one.motion), planes(one.target)
    size = motion.shape[-1]
    mouth, eyes = boxes_of(one.weight)
    points = judge.landmarks(motion)
    truth_points = None if points is None else judge.landmarks(target, points)
    if points is None or truth_points is None:
        return None
    inside, ring = inside_and_skin(points, size)
    skin = (motion * ring).sum((2, 3), keepdim=True) / ring.sum((2, 3), keepdim=True).clamp(min=1)
    flat = motion + inside * (skin * colour.view(1, 3, 1, 1) - motion)
    box = mouth + eyes
    pictures = {
        "motion": motion,
        "blur": motion + box * (blurred(motion) - motion),
        "flat": flat,
        "flat_blur": flat + box * (blurred(flat) - flat),
        "ours": renderer.render(one, points),
    }
    outside = (refine_region(points, size, size)[:, None] == 0).expand_as(motion)
    middle = middles_of(one.weight[0, ..., 0])[0].round().long().tolist()
    side = int(mouth[0].amax((0, 1)).sum()) + ROOM
    top, left = (min(max(m - side // 2, 0), size - side) for m in middle)
    window = (..., slice(top, top + side), slice(left, left + side))
    out: dict[str, Any] = {"untouched": torch.equal(pictures["ours"][outside], motion[outside])}
    for name, made in pictures.items():
        found = judge.landmarks(made, points)
        found = points if found is None else found
        out[name] = {
            "mouth": psnr(made, target, mouth),
            "eyes": psnr(made, target, eyes),
            "sharpness": sharpness(made, target, mouth),
            "eye_sharpness": sharpness(made, target, eyes),
            "features": judge.distance(made[window], target[window]),
            "lips": float((found - truth_points)[:, list(LIPS), :2].norm(dim=-1).mean()),
        }
    shown = (planes(one.reference), motion, pictures["flat_blur"], pictures["ours"], target)
    out["pictures"] = torch.cat([x[-1][window] for x in shown], 2)
    out["points"] = points
    return out


def ablations(renderer: Renderer, examples: list[tuple[Example, Tensor]]) -> list[dict[str, Any]]:
    """Mean absolute error in mouth and eyes, in levels of 255, without or with another's."""
    rows = []

    def error(name: str, change: Callable[[int], Tensor], chosen: list[int]) -> None:
        total = [
            float(
                ((change(i) - planes(examples[i][0].target)).abs() * planes(examples[i][0].weight))
                .sum()
                .div(planes(examples[i][0].weight).sum())
            )
            for i in chosen
        ]
        if total:
            rows.append({"conditions": name, "error": round(255 * float(np.mean(total)), 3)})

    count = len(examples)
    everyone = list(range(count))

    def other(i: int) -> Example:
        return next(
            (
                examples[(i + k) % count][0]
                for k in range(1, count)
                if examples[(i + k) % count][0].clip != examples[i][0].clip
            ),
            examples[i][0],
        )

    def run(i: int, **changes: Any) -> Tensor:
        one, points = examples[i]
        return renderer.render(one, points, lambda given: replace(given, **changes))

    error("motion frames alone", lambda i: planes(examples[i][0].motion), everyone)
    error("all", lambda i: run(i), everyone)
    error(
        "another's reference",
        lambda i: renderer.render(*examples[i], reference=other(i).reference),
        everyone,
    )
    error(
        "motion frames in reverse",
        lambda i: renderer.render(
            replace(examples[i][0], motion=examples[i][0].motion.flip(0)), examples[i][1].flip(0)
        ),
        everyone,
    )
    heard = [i for i in everyone if examples[i][0].speech is not None]
    if heard:
        error("heads: motion frames alone", lambda i: planes(examples[i][0].motion), heard)
        error("heads: all", lambda i: run(i), heard)
        error("heads: no emotion", lambda i: run(i, emotion=None), heard)
        error("heads: another's emotion", lambda i: run(i, emotion=other(i).emotion), heard)
        error("heads: no speech", lambda i: run(i, speech=None), heard)
        error("heads: another's speech", lambda i: run(i, speech=other(i).speech), heard)
    return rows


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--held", type=Path, nargs="+", required=True)
    parser.add_argument("--fit", type=Path, nargs="+", required=True)
    parser.add_argument("--weights", type=Path, default=BUILTIN_FILE)
    parser.add_argument("--noise", type=float, default=Sampling.noise)
    parser.add_argument("--steps", type=int, default=Sampling.steps)
    parser.add_argument("--most", type=int, default=4, help="examples of a clip")
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--out", type=Path, default=RESULTS / "render_clips.json")
    args = parser.parse_args()
    torch.set_num_threads(1)
    judge = Judge()
    renderer = Renderer(args.weights, Sampling(steps=args.steps, noise=args.noise))
    clips: dict[str, list[Example]] = defaultdict(list)
    for path in sorted(path for folder in args.held for path in folder.glob("shard_*.safetensors")):
        for one in read_shard(path):
            clips[one.clip].append(one)
    with torch.inference_mode():
        colour = fitted_colour(judge, [p for f in args.fit for p in sorted(f.glob("shard_*"))])
        print("inside of a mouth over the skin around it:", colour.tolist(), flush=True)
        rows, pictures, kept, heads = [], [], [], []
        for name, examples in sorted(clips.items()):
            chosen = examples[:: -(-len(examples) // args.most)]
            tried = ((one, compare(judge, renderer, one, colour)) for one in chosen)
            pairs = [(one, figures) for one, figures in tried if figures is not None]
            if not pairs:
                print(name, "left out: no face is found in its motion frames", flush=True)
                continue
            chosen, found = [one for one, _ in pairs], [figures for _, figures in pairs]
            kept.append((chosen[-1], found[-1]["points"]))
            row: dict[str, Any] = {"clip": name, "untouched": all(f["untouched"] for f in found)}
            for method in METHODS:
                for key in found[0][method]:
                    value = float(np.mean([f[method][key] for f in found]))
                    row[f"{method} {key}"] = round(value, 3)
            (rows if chosen[0].emotion is None else heads).append(row)
            print(row, flush=True)
            pictures += [
                F.interpolate(f["pictures"][None], scale_factor=3, mode="nearest")[0] for f in found
            ]
        conditions = ablations(renderer, kept)
    summary = {
        key: round(float(np.mean([row[key] for row in rows])), 3)
        for key in (rows or heads)[0]
        if isinstance((rows or heads)[0][key], float)
    }
    best = max(summary[f"{m} mouth"] for m in METHODS[:-1])
    verdict = {
        "gain_db": round(summary["ours mouth"] - best, 3),
        "features": round(summary["ours features"] / summary["motion features"], 3),
        "clips_worse": sum(row["ours mouth"] < row["motion mouth"] for row in rows),
        "untouched": all(row["untouched"] for row in rows),
    }
    print(summary, verdict, conditions, sep="\n")
    write_result(
        args.out,
        {
            **machine(),
            "noise": args.noise,
            "steps": args.steps,
            "colour": [round(v, 3) for v in colour.tolist()],
            "summary": summary,
            "verdict": verdict,
            "clips": rows,
            "heads": heads,
            "conditions": conditions,
        },
    )
    if args.picture:
        height, width = (max(p.shape[k] for p in pictures) for k in (1, 2))
        padded = [F.pad(p, (0, width - p.shape[2], 0, height - p.shape[1])) for p in pictures]
        sheet = (torch.cat(padded, 1).permute(1, 2, 0) * 255).round().to(torch.uint8)
        Image.fromarray(sheet.numpy()).save(args.picture)


if __name__ == "__main__":
    main()
