"""Contact sheets of a portrait in poses, at full size, to be looked at.

    python benchmarks/contact_sheets.py [PICTURE ...] [--out FOLDER] [--neutral] [--jpeg]

Eighteen frames of 512² in six columns: twelve poses, turns of ±18° yaw and ±10° pitch, half a
blink with a roll, a glance aside with another. A pose raises coefficients over the photo's own
expression; with --neutral it replaces the expression.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import torch
from common import SAMPLE_PORTRAIT, Studio, indices
from PIL import Image, ImageDraw
from synchrorama.models.motion.frames import MotionFrames
from torch import Tensor

COLUMNS = 6
STRIP = 18  # px under each frame, for its name
Pose = tuple[str, dict[str, float], tuple[float, float, float]]  # name, coefficients, degrees
SMILE = {"mouthSmile": 0.7, "cheekSquint": 0.6}
ANGER = {"browDown": 0.8, "noseSneer": 0.5, "mouthPress": 0.5, "eyeSquint": 0.4}
SURPRISE = {"jawOpen": 0.35, "browInnerUp": 0.8, "browOuterUp": 0.8, "eyeWide": 0.8}
STRETCH = {"mouthStretch": 0.7, "mouthUpperUp": 0.5, "mouthLowerDown": 0.6}
STILL = (0.0, 0.0, 0.0)
POSES: tuple[Pose, ...] = (
    ("rest", {}, STILL),
    ("jaw .4", {"jawOpen": 0.4}, STILL),
    ("jaw .3 funnel .7", {"jawOpen": 0.3, "mouthFunnel": 0.7}, STILL),
    ("pucker .8", {"mouthPucker": 0.8}, STILL),
    ("smile .7", SMILE, STILL),
    ("smile .7 jaw .2 yaw 9", {**SMILE, "jawOpen": 0.2}, (0.0, 9.0, 0.0)),
    ("frown .7 brow .8", {"mouthFrown": 0.7, "browInnerUp": 0.8}, STILL),
    ("anger", ANGER, STILL),
    ("surprise", SURPRISE, STILL),
    ("blink", {"eyeBlink": 1.0}, STILL),
    ("stretch .7", STRETCH, STILL),
    ("jaw .25 yaw -14", {"jawOpen": 0.25}, (0.0, -14.0, 0.0)),
    ("jaw .2 yaw 18", {"jawOpen": 0.2}, (0.0, 18.0, 0.0)),
    ("jaw .1 yaw -18", {"jawOpen": 0.1}, (0.0, -18.0, 0.0)),
    ("pitch 10", {}, (10.0, 0.0, 0.0)),
    ("pitch -10", {}, (-10.0, 0.0, 0.0)),
    ("blink .5 roll 12", {"eyeBlink": 0.5}, (0.0, 0.0, 12.0)),
    ("gaze left roll -12", {"eyeLookOutLeft": 0.7, "eyeLookInRight": 0.7}, (0.0, 0.0, -12.0)),
)


def draw_poses(frames: MotionFrames, own: Tensor, neutral: bool) -> Tensor:
    """A frame of each pose, [P, H, W, 3], on the photo's own expression [52]."""
    drawn = []
    for name, pose, degrees in POSES:
        values = torch.zeros_like(own)
        for coefficient, value in pose.items():
            values[indices(coefficient)] = value
        if not neutral or name == "rest":
            values = torch.maximum(values, own)
        angles = torch.tensor([[math.radians(angle) for angle in degrees]])
        drawn.append(frames.draw(values[None], angles, torch.zeros(1, 3)))
    return torch.cat(drawn)


def sheet(drawn: Tensor) -> Image.Image:
    """Frames [P, H, W, 3] side by side, each with its pose's name below."""
    height, width = drawn.shape[1:3]
    rows = math.ceil(len(drawn) / COLUMNS)
    page = Image.new("RGB", (COLUMNS * width, rows * (height + STRIP)))
    pen = ImageDraw.Draw(page)
    for number, frame in enumerate(drawn):
        x, y = number % COLUMNS * width, number // COLUMNS * (height + STRIP)
        page.paste(Image.fromarray((frame * 255).round().byte().numpy()), (x, y))
        pen.text((x + 4, y + height + 3), POSES[number][0], fill="white")
    return page


def main() -> None:
    """Draw and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", nargs="*", type=Path, default=[SAMPLE_PORTRAIT])
    parser.add_argument("--out", type=Path, default=Path("output/contact_sheets"))
    parser.add_argument("--neutral", action="store_true", help="without the photo's expression")
    parser.add_argument("--jpeg", action="store_true", help="write JPEG, not PNG")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    studio = Studio()
    arguments.out.mkdir(parents=True, exist_ok=True)
    with torch.inference_mode():
        for path in arguments.pictures:
            portrait = studio.portrait(path)
            frames = MotionFrames(studio.head, portrait)
            drawn = draw_poses(frames, portrait.head.expression, arguments.neutral)
            out = arguments.out / f"{path.stem}.{'jpg' if arguments.jpeg else 'png'}"
            sheet(drawn).save(out, **({"quality": 90} if arguments.jpeg else {}))
            print(out, flush=True)


if __name__ == "__main__":
    main()
