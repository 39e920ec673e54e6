"""The stages in a row: one portrait and speech become a video file.

Frames are drawn, pasted and encoded chunk by chunk, so memory does not grow with the length of
the speech. Shapes as in types.py; S samples, b frames of a chunk.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor

from .head import HeadModel
from .motion.audio_to_motion import AudioToMotion, motion_from_audio
from .motion.frames import MotionFrames
from .portrait.landmarker import FaceLandmarker
from .portrait.prepare import prepare_portrait
from .types import ARKIT_NAMES, Motion
from .video.encode import write_video
from .video.paste import paste_back

OnStage = Callable[[str, int, int], None]  # stage, steps done, steps in all


def talk(
    image: Tensor,
    waveform: Tensor,
    sample_rate: int,
    out: Path,
    *,
    fps: float = 25.0,
    size: int = 512,
    seed: int = 0,
    device: torch.device | None = None,
    on_stage: OnStage | None = None,
) -> Motion:
    """Write the video of a talking portrait, and return how its face moves.

    Args:
        image: [H0, W0, 3] 0..1, a picture with a face; the largest one talks.
        waveform: [C, S] -1..1, the speech.
        sample_rate: Of the waveform, in Hz.
        out: The video file to write, .mp4.
        fps: Frames a second, 8 to 60.
        size: Side of the head crop in pixels.
        seed: Chooses blinks and the sway of the head.
        device: Where the models run; the CPU unless given.
        on_stage: Told the progress of the stages "portrait", "motion" and "video".

    Raises:
        ValueError: No face, unusable audio or a value out of range.
        OSError: The file cannot be written.
    """
    device = device or torch.device("cpu")
    tell = on_stage or (lambda stage, done, steps: None)

    tell("portrait", 0, 1)
    landmarker = FaceLandmarker.from_checkpoint().to(device)
    head = HeadModel.from_checkpoint()
    portrait = prepare_portrait(image, landmarker=landmarker, head=head, size=size)
    tell("portrait", 1, 1)

    tell("motion", 0, 1)
    motion = motion_from_audio(
        AudioToMotion.from_checkpoint().to(device),
        waveform,
        sample_rate,
        fps=fps,
        seed=seed,
        rest=portrait.head.expression,
    )
    tell("motion", 1, 1)

    renderer = MotionFrames(head, portrait, device)

    def chunks() -> Iterator[Tensor]:
        done = 0
        tell("video", done, motion.frames)
        for frames in renderer.render(motion):  # [b, size, size, 3]
            yield paste_back(frames, portrait)  # [b, H0, W0, 3]
            done += frames.shape[0]
            tell("video", done, motion.frames)

    write_video(out, chunks(), fps=fps, waveform=waveform, sample_rate=sample_rate)
    return motion


def write_motion(path: Path, motion: Motion) -> None:
    """Write a motion as JSON: fps, names, coefficients [T][52], rotation and translation [T][3]."""
    rounded = {
        name: [[round(value, 5) for value in row] for row in getattr(motion, name).tolist()]
        for name in ("coefficients", "head_rotation", "head_translation")
    }
    document = {"fps": motion.fps, "names": list(ARKIT_NAMES), **rounded}
    path.write_text(json.dumps(document), encoding="utf-8")
