"""Is the motion that a video is tracked for the one it was made with?

    python benchmarks/motion_from_video.py [PICTURE ...] [--frames N] [--out FILE.json]

Each picture speaks the sample speech with a doubled head motion, turns and nods slowly, smiles,
raises and lowers its brows, frowns and looks about; its motion frames are tracked as a video would
be.

Told are, for the main coefficients (left and right averaged), Pearson's correlation and the slope
between what was set and what is read, both 0 where nothing moved, beside the correlation of the
landmarker's plain scores; and the difference of head angles in degrees once their median is taken
out, root mean square and largest.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from common import (
    RESULTS,
    ROOT,
    SAMPLE_PORTRAIT,
    SAMPLE_SPEECH,
    Studio,
    indices,
    machine,
    write_result,
)
from synchrorama.models.media import read_audio
from synchrorama.models.motion.audio_to_motion import AudioToMotion, motion_from_audio
from synchrorama.models.motion.dials import Dials
from synchrorama.models.motion.frames import MotionFrames
from synchrorama.models.portrait.track import motion_from_video
from synchrorama.models.types import ARKIT_INDEX, Motion, Portrait
from torch import Tensor

FPS = 25.0
MAIN = (
    "jawOpen",
    "mouthSmile",
    "mouthFrown",
    "mouthPucker",
    "mouthFunnel",
    "mouthPress",
    "eyeBlink",
    "browInnerUp",
    "browOuterUp",
    "browDown",
    "eyeLookOut",
    "eyeLookIn",
)
BUMPS = (("mouthSmile", 1.5), ("browInnerUp", 3.0), ("browOuterUp", 3.0), ("browDown", 4.5))
BUMPS += (("mouthFrown", 5.5),)


def known_motion(portrait: Portrait, frames: int) -> Motion:
    """What is set: speech with everything that moves once or more."""
    waveform, sample_rate = read_audio(SAMPLE_SPEECH)
    spoken = motion_from_audio(
        AudioToMotion.from_checkpoint(),
        waveform,
        sample_rate,
        fps=FPS,
        seed=3,
        rest=portrait.head.expression,
        dials=Dials(head=2.0, lips=1.3),
    )
    seconds = torch.arange(spoken.frames) / FPS
    coefficients = spoken.coefficients.clone()
    for name, at in BUMPS:
        bump = 0.9 * torch.exp(-((3.0 * (seconds - at)).square()))
        for column in indices(name):
            coefficients[:, column] = torch.maximum(coefficients[:, column], bump)
    gaze = 0.8 * torch.sin(2.0 * seconds)
    for side, sign in (("Left", -1.0), ("Right", 1.0)):
        coefficients[:, ARKIT_INDEX[f"eyeLookOut{side}"]] = (-sign * gaze).clamp(min=0.0)
        coefficients[:, ARKIT_INDEX[f"eyeLookIn{side}"]] = (sign * gaze).clamp(min=0.0)
    turns = [0.12 * torch.sin(1.3 * seconds), 0.2 * torch.sin(0.9 * seconds)]
    turns.append(0.1 * torch.sin(1.7 * seconds))
    return Motion(
        coefficients=coefficients.clamp(0.0, 1.0)[:frames],
        head_rotation=(spoken.head_rotation + torch.stack(turns, 1))[:frames],
        head_translation=spoken.head_translation[:frames],
        fps=FPS,
    )


def fit(told: Tensor, read: Tensor) -> tuple[float, float]:
    """Correlation and slope of what is read over what was set, 0 where nothing moved."""
    a, b = told - told.mean(), read - read.mean()
    if float(a.std()) < 1e-3 or float(b.std()) < 1e-6:
        return 0.0, 0.0
    slope = float(a @ b / (a @ a))
    return round(slope * float(a.norm() / b.norm()), 3), round(slope, 3)


def measure(studio: Studio, path: Path, frames: int) -> dict[str, Any]:
    """One picture, tracked back."""
    portrait = studio.portrait(path)
    motion = known_motion(portrait, frames)
    drawn = torch.cat(list(MotionFrames(studio.head, portrait).render(motion)))
    faces = studio.landmarker.track(drawn)
    scores = torch.stack([face.coefficients for face in faces if face is not None])
    read, report = motion_from_video(
        drawn, FPS, landmarker=studio.landmarker, head=studio.head, smooth_s=0.04
    )
    row: dict[str, Any] = {"picture": path.name, "report": report.splitlines()[1]}
    for name in MAIN:
        columns = indices(name)
        told = motion.coefficients[:, columns].mean(1)
        correlation, slope = fit(told, read.coefficients[:, columns].mean(1))
        plain = fit(told, scores[:, columns].mean(1))[0] if len(scores) == frames else None
        row[name] = {"correlation": correlation, "slope": slope, "score_correlation": plain}
    miss = torch.rad2deg(read.head_rotation - motion.head_rotation)
    miss = miss - miss.median(0).values
    for axis, name in enumerate(("pitch", "yaw", "roll")):
        row[f"{name}_rms_deg"] = round(float(miss[:, axis].square().mean().sqrt()), 2)
        row[f"{name}_worst_deg"] = round(float(miss[:, axis].abs().max()), 2)
    return row


def main() -> None:
    """Measure all pictures and write the results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("pictures", nargs="*", type=Path)
    parser.add_argument("--frames", type=int, default=178)
    parser.add_argument("--out", type=Path, default=RESULTS / "motion_from_video.json")
    options = parser.parse_args()
    pictures = options.pictures or [SAMPLE_PORTRAIT, ROOT / "tests" / "data" / "astronaut.png"]
    studio = Studio()
    with torch.inference_mode():
        rows = [measure(studio, path, options.frames) for path in pictures]
    write_result(options.out, {"summary": machine(), "pictures": rows})


if __name__ == "__main__":
    main()
