"""A motion changed by hand: stronger, weaker, smoother, mirrored, cut, slower.

Settings that change nothing change no bit. Shapes: T frames before, T' after, C = 52 coefficients.
"""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import torch
from torch import Tensor

from ..speech import exact_fps, frame_times
from ..types import ARKIT_INDEX, ARKIT_NAMES, Motion
from .liveliness import smooth
from .parts import Selection

SLOWEST, FASTEST = 0.1, 10.0
MIRRORED_ROTATION = (1.0, -1.0, -1.0)  # pitch, yaw, roll
MIRRORED_TRANSLATION = (-1.0, 1.0, 1.0)  # right, up, towards the viewer


def reshape(
    motion: Motion,
    selection: Selection,
    *,
    scale: float = 1.0,
    offset: float = 0.0,
    smooth_s: float = 0.0,
    lowest: float = 0.0,
    highest: float = 1.0,
    rest: Tensor | None = None,
) -> Motion:
    """The selected tracks scaled around rest, shifted, smoothed and kept in bounds.

    Args:
        motion: T frames of it.
        selection: What changes; all else stays as it is, bit for bit.
        scale: −4 to 4. 1 changes nothing, 0 leaves the face at rest and the head still.
        offset: −1 to 1, added to the coefficients; the head's tracks get no offset.
        smooth_s: Standard deviation of a Gaussian over time, 0 to 5 s.
        lowest: Coefficients below are raised to it; 0 to 1.
        highest: Coefficients above are lowered to it; 0 to 1, at least `lowest`.
        rest: [52] around which coefficients are scaled, the photo's own; None: 0.

    Raises:
        ValueError: A setting is out of range.
    """
    for name, value, low, high in (
        ("scale", scale, -4.0, 4.0),
        ("offset", offset, -1.0, 1.0),
        ("smooth", smooth_s, 0.0, 5.0),
        ("lowest", lowest, 0.0, 1.0),
        ("highest", highest, 0.0, 1.0),
    ):
        if not low <= value <= high:
            raise ValueError(f"'{name}' is {value:g}. Use a value from {low:g} to {high:g}.")
    if lowest > highest:
        raise ValueError(
            f"'lowest' is {lowest:g} and 'highest' {highest:g}. Use a 'highest' that is not below "
            "'lowest'."
        )
    columns = list(selection.columns)
    tracks = motion.coefficients[:, columns]
    rotation, translation = motion.head_rotation, motion.head_translation
    if scale != 1.0:
        centre = torch.zeros(len(ARKIT_NAMES)) if rest is None else rest.to(tracks)
        tracks = centre[columns] + scale * (tracks - centre[columns])
        if selection.head:
            rotation, translation = scale * rotation, scale * translation
    if offset != 0.0:
        tracks = tracks + offset
    if smooth_s > 0.0 and motion.frames > 1:
        tracks = smooth(tracks, smooth_s, motion.fps) if columns else tracks
        if selection.head:
            rotation = smooth(rotation, smooth_s, motion.fps)
            translation = smooth(translation, smooth_s, motion.fps)
    coefficients = motion.coefficients.clone()
    coefficients[:, columns] = tracks.clamp(lowest, highest)
    return replace(
        motion, coefficients=coefficients, head_rotation=rotation, head_translation=translation
    )


def mirrored(motion: Motion, selection: Selection) -> Motion:
    """Left and right exchanged in the selected tracks.

    A track whose other side is not selected stays as it is.
    """
    chosen = set(selection.columns)
    order = list(range(len(ARKIT_NAMES)))
    for column in selection.columns:
        other = ARKIT_INDEX[_other_side(ARKIT_NAMES[column])]
        if other in chosen:
            order[column] = other
    rotation, translation = motion.head_rotation, motion.head_translation
    if selection.head:
        rotation = rotation * torch.tensor(MIRRORED_ROTATION)
        translation = translation * torch.tensor(MIRRORED_TRANSLATION)
    return replace(
        motion,
        coefficients=motion.coefficients[:, order],
        head_rotation=rotation,
        head_translation=translation,
    )


def trimmed(motion: Motion, start_s: float, end_s: float) -> Motion:
    """The frames from start to end.

    Args:
        motion: T frames of it.
        start_s: Second from which it is kept.
        end_s: Second up to which it is kept; 0 keeps the rest.

    Raises:
        ValueError: Nothing would be left.
    """
    rate = float(exact_fps(motion.fps))
    seconds = motion.frames / rate
    end = seconds if end_s == 0.0 else min(end_s, seconds)
    first, last = round(start_s * rate), round(end * rate)
    if start_s < 0.0 or last <= first:
        raise ValueError(
            f"'start' {start_s:g} s and 'end' {end_s:g} s leave nothing of a motion of "
            f"{seconds:.2f} s. Use a 'start' before the 'end' and inside the motion."
        )
    part = slice(first, last)
    return replace(
        motion,
        coefficients=motion.coefficients[part],
        head_rotation=motion.head_rotation[part],
        head_translation=motion.head_translation[part],
    )


def retimed(motion: Motion, speed: float, fps: float) -> Motion:
    """The motion played faster or slower, or at another frame rate.

    Values between two frames lie on straight lines.

    Args:
        motion: T frames of it.
        speed: 2 is twice as fast and half as long; 0.1 to 10.
        fps: Of the result, 8 to 60; 0 keeps the motion's own.

    Raises:
        ValueError: The speed or the frame rate is out of range.
    """
    if not SLOWEST <= speed <= FASTEST:
        raise ValueError(
            f"'speed' is {speed:g}. Use a value from {SLOWEST:g} to {FASTEST:g}; 1 keeps it."
        )
    new_fps = motion.fps if fps == 0.0 else fps
    if not 8.0 <= new_fps <= 60.0:
        raise ValueError(f"'fps' is {fps:g}. Use 0 to keep the motion's own, or 8 to 60.")
    if speed == 1.0 and new_fps == motion.fps:
        return motion
    rate = Fraction(speed).limit_denominator(10000)
    seconds = motion.frames / exact_fps(motion.fps) / rate
    frames = max(1, math.ceil(seconds * exact_fps(new_fps)))
    at = frame_times(frames, new_fps) * speed * float(exact_fps(motion.fps)) - 0.5
    return Motion(
        coefficients=_between(motion.coefficients, at),
        head_rotation=_between(motion.head_rotation, at),
        head_translation=_between(motion.head_translation, at),
        fps=new_fps,
    )


def with_frames(motion: Motion, frames: int) -> Motion:
    """The first frames of the motion; where it is too short its last frame is held."""
    if frames == motion.frames:
        return motion
    index = torch.arange(frames).clamp(max=motion.frames - 1)
    return replace(
        motion,
        coefficients=motion.coefficients[index],
        head_rotation=motion.head_rotation[index],
        head_translation=motion.head_translation[index],
    )


def _other_side(name: str) -> str:
    for side, other in (("Left", "Right"), ("Right", "Left")):
        if name.endswith(side):
            return name.removesuffix(side) + other
    return name


def _between(tracks: Tensor, at: Tensor) -> Tensor:
    """Tracks [T, N] at fractional frames at [T'], their ends held: [T', N]."""
    at = at.clamp(0, len(tracks) - 1)
    low = at.floor().long().clamp(max=max(0, len(tracks) - 2))
    high = (low + 1).clamp(max=len(tracks) - 1)
    share = (at - low).to(tracks)[:, None]
    return tracks[low] + share * (tracks[high] - tracks[low])
