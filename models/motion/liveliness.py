"""What a face does besides speaking: the head drifts and nods, the lids blink, the brows rise.

Shapes: L mel frames (100 a second), T video frames. All chance comes from a seeded CPU generator.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

DRIFT_RAD = (0.020, 0.036, 0.018)  # standard deviation of pitch, yaw, roll while speaking
NOD_RAD = 0.045  # how deep an emphasis nods at most
IDLE = 0.35  # share of the drift that is left when nobody speaks
SETTLE_S = 0.8  # the head starts from and returns to the photo's own pose within this time

BLINK_S = (2.0, 6.0)  # shortest and longest time between two blinks
CLOSING_S, CLOSED_S, OPENING_S = 0.09, 0.03, 0.17


def loudness(mel: Tensor) -> Tensor:
    """How loud each frame is, [L] 0..1, from `speech.log_mel` [L, 80]."""
    return ((mel.mean(1) + 1.6) / 1.8).clamp(0.0, 1.0)


def smooth(track: Tensor, seconds: float, fps: float) -> Tensor:
    """A track [T] or [T, N] under a Gaussian of that standard deviation, its ends held."""
    reach = max(1, math.ceil(3.0 * seconds * fps))
    offsets = torch.arange(-reach, reach + 1, dtype=torch.float32)
    weights = torch.exp(-0.5 * (offsets / (seconds * fps)).square())
    flat = track.reshape(track.shape[0], -1).T[:, None]  # [N, 1, T]
    padded = torch.nn.functional.pad(flat, (reach, reach), mode="replicate")
    out = torch.nn.functional.conv1d(padded, (weights / weights.sum())[None, None])
    return out[:, 0].T.reshape(track.shape)


def speaking(activity: Tensor, fps: float) -> Tensor:
    """Whether a phrase goes on, [T] 0..1: activity with its edges softened over half a second."""
    return smooth(activity, 0.25, fps)


def emphases(loud: Tensor, fps: float) -> list[tuple[int, float]]:
    """Frames where the voice stands out, with how much (0..1), at least 0.45 s apart."""
    swell = smooth(loud, 0.08, fps)
    excess = swell - smooth(loud, 0.8, fps)
    reach = max(1, round(0.45 * fps))
    greatest = torch.nn.functional.max_pool1d(excess[None], 2 * reach + 1, 1, reach)[0]
    peaks = torch.nonzero((excess == greatest) & (excess > 0.08))[:, 0].tolist()
    return [(frame, min(1.0, float(excess[frame]) / 0.3)) for frame in peaks]


def head_track(loud: Tensor, talking: Tensor, fps: float, seed: int) -> tuple[Tensor, Tensor]:
    """Rotation [T, 3] in radians and translation [T, 3] in face widths; both ends at 0.

    Args:
        loud: [T] 0..1.
        talking: [T] 0..1 from `speaking`.
        fps: Video frames a second.
        seed: Of the drift and of which emphases nod.
    """
    frames = loud.shape[0]
    chance = _chance(seed, 0)
    drift = _wander(frames, fps, 1.1, 3, chance) + _wander(frames, fps, 3.5, 3, chance)
    drift = 2.0 * torch.tanh(drift / math.sqrt(8.0))  # within two standard deviations
    rotation = drift * torch.tensor(DRIFT_RAD)
    rotation = rotation * (IDLE + (1.0 - IDLE) * talking)[:, None]
    for frame, size in emphases(loud, fps):
        depth, side = torch.rand(2, generator=chance).tolist()
        nod = NOD_RAD * size * (0.4 + 0.6 * depth)
        _add_bump(rotation[:, 0], frame, 0.16 * fps, nod)
        _add_bump(rotation[:, 2], frame, 0.22 * fps, 0.4 * nod * (2.0 * side - 1.0))
    sway = _wander(frames, fps, 2.0, 3, chance) * torch.tensor([0.006, 0.004, 0.006])
    seconds = (torch.arange(frames) + 0.5) / fps
    settle = min(SETTLE_S, max(frames / fps / 3.0, 1e-3))
    ease = _ramp(seconds / settle) * _ramp((frames / fps - seconds) / settle)
    return rotation * ease[:, None], sway * ease[:, None]


def blink_track(activity: Tensor, fps: float, seed: int) -> Tensor:
    """How far the lids are closed, [T] 0..1; each blink is wholly closed in one frame at least.

    Blinks come 2 to 6 s apart and move to a pause that begins within 0.6 s.
    """
    frames = activity.shape[0]
    chance = _chance(seed, 1)
    quiet = activity < 0.5
    pauses = torch.nonzero(quiet[1:] & ~quiet[:-1])[:, 0].add(1).div(fps)  # seconds
    length = frames / fps
    out = torch.zeros(frames)
    moment = _between(chance, 0.7, 3.0)
    while moment < length - 0.25:
        near = pauses[(pauses - moment).abs() < 0.6]
        if near.numel():
            moment = float(near[(near - moment).abs().argmin()]) + 0.1
        if moment > length - OPENING_S - CLOSED_S:
            break
        centre = (math.floor(moment * fps) + 0.5) / fps  # the middle of a frame
        low = max(0, math.floor((centre - CLOSING_S - CLOSED_S) * fps))
        high = min(frames, math.ceil((centre + OPENING_S + CLOSED_S) * fps))
        seconds = (torch.arange(low, high) + 0.5) / fps - centre
        closing = _ramp(1.0 + (seconds + CLOSED_S / 2.0) / CLOSING_S)
        opening = _ramp(1.0 - (seconds - CLOSED_S / 2.0) / OPENING_S)
        out[low:high] = torch.maximum(out[low:high], torch.minimum(closing, opening))
        moment += _between(chance, *BLINK_S)
    return out


def gesture_track(loud: Tensor, fps: float, seed: int) -> Tensor:
    """How far the brows rise, [T] 0..0.3, on half of the emphases."""
    chance = _chance(seed, 2)
    out = torch.zeros(loud.shape[0])
    for frame, size in emphases(loud, fps):
        whether, height = torch.rand(2, generator=chance).tolist()
        if whether < 0.5:
            _add_bump(out, frame, 0.18 * fps, size * (0.1 + 0.2 * height))
    return out.clamp(0.0, 0.3)


def _chance(seed: int, use: int) -> torch.Generator:
    """A generator of its own for each of three uses, from any seed a host may give."""
    return torch.Generator().manual_seed((3 * seed + use) % 2**63)


def _between(chance: torch.Generator, low: float, high: float) -> float:
    return low + (high - low) * float(torch.rand((), generator=chance))


def _ramp(x: Tensor) -> Tensor:
    x = x.clamp(0.0, 1.0)
    return x * x * (3.0 - 2.0 * x)


def _add_bump(track: Tensor, centre: int, width: float, height: float) -> None:
    """Add a bell to a track [T] in place, only where it is above 0.1 % of its height."""
    reach = math.ceil(3.8 * width)
    low, high = max(0, centre - reach), min(track.shape[0], centre + reach + 1)
    offsets = torch.arange(low, high) - centre
    track[low:high] += height * torch.exp(-0.5 * (offsets / width).square())


def _wander(frames: int, fps: float, knot_s: float, tracks: int, chance: torch.Generator) -> Tensor:
    """Smooth noise of unit variance, [T, tracks]: random knots under a smooth curve."""
    knots = math.ceil(frames / fps / knot_s) + 4
    values = torch.randn(knots, tracks, generator=chance)
    position = (torch.arange(frames) + 0.5) / (fps * knot_s) + 1.0
    low = position.floor().long()
    x = (position - low)[:, None]
    p0, p1, p2, p3 = (values[low + k] for k in (-1, 0, 1, 2))
    # Catmull-Rom through the knots
    out = p1 + 0.5 * x * (
        p2 - p0 + x * (2 * p0 - 5 * p1 + 4 * p2 - p3 + x * (3 * (p1 - p2) + p3 - p0))
    )
    return out / 0.85
