"""Action units over time as a picture and as a table.

Shapes: T frames, A = 20 action units.
"""

from __future__ import annotations

import numpy as np
from torch import Tensor

from ..drawing import Sheet, Track
from ..speech import exact_fps, frame_times
from ..types import EMOTIONS, Motion
from .action_units import ACTION_UNITS, UNITS, action_units, read_emotion

# Of the palette of Okabe and Ito, told apart with any colour vision.
UPPER_COLOUR = (86, 180, 233)
LOWER_COLOUR = (230, 159, 0)
# Names that are too long to stand beside a track, in short.
LABELS = {
    1: "inner brow up",
    2: "outer brow up",
    5: "upper lid up",
    10: "upper lip up",
    12: "corners up",
    15: "corners down",
    16: "lower lip down",
}
UPPER = (1, 2, 4, 5, 6, 7, 45)  # brows, lids and cheeks


def read_action_units(
    motion: Motion, neutral: Motion | None = None, width: int = 1024, height: int = 1024
) -> tuple[Tensor, str]:
    """A picture [1, H, W, 3] 0..1 of the action units over time, and a table of them.

    Args:
        motion: What is read.
        neutral: The same speech without emotion; with it the table says which emotion's prototype
            the face resembles most.
        width: Of the picture, in pixels.
        height: Of the picture, in pixels.

    Raises:
        ValueError: The motion has no frames, the two differ in length or rate, or the picture would
            be too small to read.
    """
    if motion.frames == 0:
        raise ValueError("'motion' has no frames. Make it from audio of at least one sample.")
    units = action_units(motion.coefficients.nan_to_num().clamp(0, 1))
    rate = float(exact_fps(motion.fps))
    sheet = Sheet(width, height, motion.frames / rate)
    times = frame_times(motion.frames, motion.fps).numpy()
    upper: list[Track] = []
    lower: list[Track] = []
    for number, curve in zip(ACTION_UNITS, units.T.cpu().numpy(), strict=True):
        _, high = sheet.columns(times, curve, curve)
        track = Track(
            label=f"{number} {LABELS.get(number, UNITS[number][0])}",
            low=np.zeros_like(high),
            high=high,
            span=(0.0, 1.0),
            note=f"max {curve.max():.2f}",
            colour=UPPER_COLOUR if number in UPPER else LOWER_COLOUR,
        )
        (upper if number in UPPER else lower).append(track)
    picture = sheet.draw([(1.0, upper), (1.0, lower)])
    return picture, _table(units, rate, motion.fps) + _reading(motion, neutral)


def _table(units: Tensor, rate: float, fps: float) -> str:
    lines = [f"{len(units)} frames at {fps:g} fps, {len(units) / rate:.2f} s.", ""]
    lines.append(f"{'AU':>3}  {'action':<21} {'mean':>5} {'max':>5}  at")
    most, where = units.max(0)
    for column, number in enumerate(ACTION_UNITS):
        mean, peak = float(units[:, column].mean()), float(most[column])
        at = f"{(int(where[column]) + 0.5) / rate:.2f} s" if peak > 0.005 else "–"
        lines.append(f"{number:>3}  {UNITS[number][0]:<21} {mean:5.2f} {peak:5.2f}  {at}")
    return "\n".join(lines)


def _reading(motion: Motion, neutral: Motion | None) -> str:
    """Which emotion's prototype the face resembles, over the same face saying the same."""
    if neutral is None:
        return ""
    if neutral.fps != motion.fps or neutral.frames != motion.frames:
        raise ValueError(
            f"'motion' has {motion.frames} frames at {motion.fps:g} fps, 'neutral' "
            f"{neutral.frames} at {neutral.fps:g}. Make both from the same audio with the same "
            "'fps', 'neutral' without an emotion."
        )
    likeness = read_emotion(motion.coefficients.mean(0), neutral.coefficients.mean(0))
    order = likeness.argsort(descending=True, stable=True).tolist()
    found = ", ".join(f"{EMOTIONS[i]} {float(likeness[i]):+.2f}" for i in order[:3])
    return f"\n\nOver neutral the face resembles most: {found} (−1 to 1)."
