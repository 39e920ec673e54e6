"""Portraits that talk, as motion frames and refined by diffusion: flicker, seams, pairs to judge.

    python benchmarks/render_talk.py [PICTURE ...] [--speech FILE] [--weights FILE]
        [--pairs FOLDER] [--seed 0] [--out FILE.json]

Each portrait says the same 3 s neutrally, happily and angrily, its head still, so that pixels stay
where they are. "flicker" is the mean absolute second difference over time in the region that may
change, refined over not; needed: at most 1.1. "seams" is how much the change itself changes from
frame to frame where windows of the last step meet, over elsewhere; needed: at most 1.2.

--pairs writes a picture for each portrait and emotion: the mouth and the eyes at four moments, one
way on the left and the other on the right, shuffled; key.json says which is which. Judge them
before it is opened.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from common import RESULTS, SAMPLE_PORTRAIT, SAMPLE_SPEECH, Studio, machine, write_result
from PIL import Image
from synchrorama.models.emotion.direct import direct_emotion, parse_direction
from synchrorama.models.emotion.fusion import EmotionFusion
from synchrorama.models.landmarks import EYES
from synchrorama.models.media import read_audio
from synchrorama.models.motion.audio_to_motion import AudioToMotion, motion_from_audio
from synchrorama.models.motion.dials import Dials
from synchrorama.models.motion.face_points import face_points
from synchrorama.models.motion.frames import MotionFrames
from synchrorama.models.motion.lips import lip_gap
from synchrorama.models.render.region import MOUTH, refine_region
from synchrorama.models.render.sample import SEAM, Sampling
from synchrorama.models.render.weights import BUILTIN_FILE, Renderer, load_renderer
from synchrorama.models.render.windows import plan_windows
from synchrorama.models.speech import frame_count
from synchrorama.models.talk import diffused
from synchrorama.models.types import Emotion, Motion, Portrait
from torch import Tensor

EMOTIONS = ("neutral", "happy", "angry")
SECONDS, FPS = 3.0, 25.0
FLICKER, SEAMS = 1.1, 1.2
DIALS = Dials(head=0.0)
MOMENTS, SIDE = 4, 320  # shown in a pair, px of each


class Stage:
    """Portraits, speech and networks."""

    def __init__(self, speech: Path, weights: Path) -> None:
        self.studio = Studio()
        self.model = AudioToMotion.from_checkpoint()
        self.fusion = EmotionFusion.from_checkpoint()
        waveform, self.sample_rate = read_audio(speech)
        self.waveform = waveform[..., : round(SECONDS * self.sample_rate)]
        self.renderer: Renderer = load_renderer(weights)

    def act(self, portrait: Portrait, emotion: str) -> tuple[Motion, Emotion]:
        """How the portrait says it."""
        frames = frame_count(self.waveform.shape[-1], self.sample_rate, FPS)
        felt = direct_emotion(self.fusion, parse_direction(emotion), frames, FPS)
        motion = motion_from_audio(
            self.model,
            self.waveform,
            self.sample_rate,
            fps=FPS,
            rest=portrait.head.expression,
            emotion=felt,
            dials=DIALS,
        )
        return motion, felt

    def both(self, portrait: Portrait, motion: Motion, felt: Emotion) -> tuple[Tensor, Tensor]:
        """Motion frames, and refined ones, [T, H, W, 3]."""
        drawing = MotionFrames(self.studio.head, portrait)
        plain = torch.cat(list(drawing.render(motion)))
        refined = diffused(
            iter(plain.split(8)),
            self.renderer,
            Sampling(),
            self.studio.head,
            portrait,
            motion,
            felt,
            (self.waveform, self.sample_rate),
            torch.device("cpu"),
        )
        return plain, torch.cat(list(refined))


def figures(plain: Tensor, refined: Tensor, points: Tensor, window: int) -> dict[str, float]:
    """Flicker and seams of one clip [T, H, W, 3] with landmarks [T, K, 2]."""
    height, width = plain.shape[1:3]
    share = refine_region(points, height, width)[..., None]  # [T, H, W, 1]

    def flicker(frames: Tensor) -> float:
        second = (frames[2:] - 2 * frames[1:-1] + frames[:-2]).abs()
        return float((second * share[1:-1]).sum() / (3 * share[1:-1].sum()))

    moved = (refined - plain).diff(dim=0).abs().mean((1, 2, 3))
    last = plan_windows(len(plain), window, SEAM * (Sampling().steps - 1))
    seams = [one.keep_start - 1 for one in last if one.keep_start > 0]
    elsewhere = [i for i in range(len(moved)) if i not in seams]
    return {
        "flicker": flicker(refined) / flicker(plain),
        "seams": float(moved[seams].mean() / moved[elsewhere].mean().clamp(min=1e-9)),
        "change": float(255 * ((refined - plain).abs() * share).sum() / (3 * share.sum())),
    }


def pair(plain: Tensor, refined: Tensor, points: Tensor, gaps: Tensor, swap: bool) -> Image.Image:
    """Both ways side by side: mouth over eyes, at moments from closed to wide open."""
    order = gaps.argsort()
    chosen = [int(order[round(q * (len(order) - 1))]) for q in (0.0, 0.6, 0.85, 1.0)]
    eyes = [k for eye in EYES for k in eye.loop]
    ways = []
    for frames in (refined, plain) if swap else (plain, refined):
        rows = []
        for loop, shape in ((list(MOUTH), 0.75), (eyes, 0.45)):
            columns = []
            for i in chosen:
                middle = (points[i, loop].amax(0) + points[i, loop].amin(0)) / 2
                width = float(points[i, loop, 0].max() - points[i, loop, 0].min()) * 1.5
                columns.append(_window(frames[i], middle, width, shape))
            rows.append(torch.cat(columns, 2))
        ways.append(torch.cat(rows, 1))
    gap = torch.ones(3, ways[0].shape[1], 24)
    whole = torch.cat((ways[0], gap, ways[1]), 2)
    return Image.fromarray((whole.permute(1, 2, 0) * 255).byte().numpy())


def _window(frame: Tensor, middle: Tensor, width: float, shape: float) -> Tensor:
    """A part of a frame [H, W, 3] around a middle, [3, shape · SIDE, SIDE]."""
    height, half = width * shape, width / 2
    left, top = round(float(middle[0]) - half), round(float(middle[1]) - height / 2)
    left, top = max(left, 0), max(top, 0)
    part = frame[top : top + round(height), left : left + round(width)].permute(2, 0, 1)
    size = (round(SIDE * shape), SIDE)
    return F.interpolate(part[None], size, mode="bicubic", antialias=True)[0].clamp(0, 1)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", nargs="*", type=Path, default=[SAMPLE_PORTRAIT])
    parser.add_argument("--speech", type=Path, default=SAMPLE_SPEECH)
    parser.add_argument("--weights", type=Path, default=BUILTIN_FILE)
    parser.add_argument("--pairs", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULTS / "render_talk.json")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    stage = Stage(arguments.speech, arguments.weights)
    chance = np.random.default_rng(arguments.seed)
    rows: list[dict[str, Any]] = []
    made: list[tuple[str, Image.Image, bool]] = []
    with torch.inference_mode():
        for path in arguments.pictures:
            portrait = stage.studio.portrait(path)
            for emotion in EMOTIONS:
                motion, felt = stage.act(portrait, emotion)
                plain, refined = stage.both(portrait, motion, felt)
                points = face_points(stage.studio.head, portrait, motion)
                found = figures(plain, refined, points, stage.renderer.config.window)
                rounded = {name: round(value, 3) for name, value in found.items()}
                rows.append({"picture": path.name, "emotion": emotion, **rounded})
                print(rows[-1], flush=True)
                swap = bool(chance.random() < 0.5)
                shown = pair(plain, refined, points, lip_gap(motion.coefficients), swap)
                made.append((f"{path.stem} {emotion}", shown, swap))
    if arguments.pairs:
        arguments.pairs.mkdir(parents=True, exist_ok=True)
        key = {}
        for number, i in enumerate(chance.permutation(len(made))):
            name, picture, swap = made[i]
            picture.save(arguments.pairs / f"pair_{number:02}.png")
            key[f"pair_{number:02}"] = {"of": name, "refined": "left" if swap else "right"}
        (arguments.pairs / "key.json").write_text(json.dumps(key, indent=1), encoding="utf-8")
    summary = {
        **machine(),
        "worst_flicker": max(row["flicker"] for row in rows),
        "worst_seams": max(row["seams"] for row in rows),
    }
    summary["steady"] = summary["worst_flicker"] <= FLICKER and summary["worst_seams"] <= SEAMS
    print(summary)
    write_result(arguments.out, {"summary": summary, "clips": rows})


if __name__ == "__main__":
    main()
