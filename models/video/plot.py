"""The motion of a face drawn over its speech, as a picture to be read at a glance.

One track per movement, under the waveform and on the same time axis. Shapes: T video frames, S
samples.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..drawing import Sheet, Track, speech_track
from ..speech import exact_fps, frame_times
from ..types import ARKIT_INDEX, Motion

# Of the palette of Okabe and Ito, told apart with any colour vision.
LIPS_COLOUR = (230, 159, 0)
EYES_COLOUR = (86, 180, 233)
HEAD_COLOUR = (0, 178, 130)

# Track → the coefficients of which the largest is drawn; a pair is averaged over left and right.
LIPS = {
    "Jaw open": ("jawOpen",),
    "Close, press": ("mouthClose", "mouthPress", "mouthRollLower"),
    "Pucker, funnel": ("mouthPucker", "mouthFunnel"),
    "Smile": ("mouthSmile",),
}
EYES = {
    "Blink": ("eyeBlink",),
    "Brows up": ("browInnerUp", "browOuterUp"),
    "Brows down": ("browDown",),
}
HEAD = ("Pitch, + down", "Yaw, + right", "Roll, + left")


def motion_plot(
    motion: Motion,
    waveform: Tensor | None,
    sample_rate: int | None,
    width: int = 1024,
    height: int = 768,
) -> Tensor:
    """A picture of lips, eyes, brows and head over time, [1, H, W, 3] 0..1.

    Coefficients stand on a scale from 0 to 1, rotations in degrees on one scale for all three.
    In a long clip a pixel column shows the smallest and largest value of its frames, so that no
    blink is lost.

    Args:
        motion: What to draw.
        waveform: [..., S] the speech, or None for a plot without it.
        sample_rate: Of the waveform, in Hz.
        width: Of the picture, in pixels.
        height: Of the picture, in pixels.

    Raises:
        ValueError: The picture would be too small to read, the motion has no frames, or the
            waveform comes without a sample rate.
    """
    if motion.frames == 0:
        raise ValueError("'motion' has no frames. Make it from audio of at least one sample.")
    sheet = Sheet(width, height, motion.frames / float(exact_fps(motion.fps)))
    groups: list[tuple[float, list[Track]]] = []
    if waveform is not None:
        groups.append((1.8, [speech_track(waveform, sample_rate, sheet)]))
    groups.append((1.0, [_unit(motion, *item, LIPS_COLOUR, sheet) for item in LIPS.items()]))
    groups.append((1.0, [_unit(motion, *item, EYES_COLOUR, sheet) for item in EYES.items()]))
    groups.append((1.0, _head(motion, sheet)))
    return sheet.draw(groups)


def _unit(
    motion: Motion,
    label: str,
    names: tuple[str, ...],
    colour: tuple[int, int, int],
    sheet: Sheet,
) -> Track:
    curves = []
    for name in names:
        sides = [name] if name in ARKIT_INDEX else [name + "Left", name + "Right"]
        columns = [ARKIT_INDEX[side] for side in sides]
        curves.append(motion.coefficients[:, columns].mean(1))
    curve = torch.stack(curves).amax(0).nan_to_num().clamp(0, 1).cpu().numpy()
    _, high = sheet.columns(frame_times(motion.frames, motion.fps).numpy(), curve, curve)
    note = f"max {curve.max():.2f}"
    zero = np.zeros_like(high)
    return Track(label=label, low=zero, high=high, span=(0.0, 1.0), note=note, colour=colour)


def _head(motion: Motion, sheet: Sheet) -> list[Track]:
    degrees = torch.rad2deg(motion.head_rotation).nan_to_num().cpu().numpy()
    largest = float(np.abs(degrees).max())
    reach = next((r for r in (2, 5, 10, 20, 30, 45, 90) if r >= largest), 180)
    tracks = []
    for label, curve in zip(HEAD, degrees.T, strict=True):
        times = frame_times(motion.frames, motion.fps).numpy()
        low, high = sheet.columns(times, curve, curve)
        tracks.append(
            Track(
                label=label,
                low=low,
                high=high,
                span=(-float(reach), float(reach)),
                note=f"±{reach}°",
                colour=HEAD_COLOUR,
            )
        )
    return tracks
