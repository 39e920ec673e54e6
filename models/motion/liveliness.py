"""Moments that come or do not come: blinks and glances, as a seeded draw by rules.

Shapes: L mel frames (100 a second), T video frames. All chance comes from a seeded CPU generator.

Source: A. R. Bentivoglio et al., "Analysis of blink rate patterns in normal subjects", Movement
Disorders 12(6), 1997: 26 blinks a minute in conversation, 17 at rest, log-normal; M. J. Doughty,
"Consideration of three types of spontaneous eyeblink activity", Optometry and Vision Science
78(10), 2001: 10.5 to 32.5 a minute in conversation, 8 to 21 at rest.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..types import ARKIT_INDEX

BLINK_S = 3.4  # median time between two blinks
BLINK_SPREAD = 0.45  # deviation of its logarithm
BLINK_RANGE_S = (1.0, 9.0)
CLOSING_S, CLOSED_S, OPENING_S = 0.09, 0.03, 0.17

GLANCE_S = (1.2, 4.0)  # how long the eyes rest on the viewer
AWAY_S = (0.3, 1.1)  # how long they look elsewhere
SACCADE_S = 0.05  # how long they take to get there
FULL_TURN_RAD = (0.58, 0.33)  # how far the eyes turn at coefficient 1, across and up
HOLD = 0.7  # share of the head's turn that the eyes take back, so as to stay on the viewer

SETTLE_S = 0.8  # the head starts from and returns to the photo's own pose within this time


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


def settle(frames: int, fps: float) -> Tensor:
    """A factor for the head, [T]: 0 at both ends, 1 between."""
    seconds = (torch.arange(frames) + 0.5) / fps
    time = min(SETTLE_S, max(frames / fps / 3.0, 1e-3))
    return _ramp(seconds / time) * _ramp((frames / fps - seconds) / time)


def blink_track(activity: Tensor, fps: float, seed: int) -> Tensor:
    """How far the lids are closed, [T] 0..1; each blink is wholly closed in one frame at least.

    Blinks come a log-normal time apart and move to a pause that begins within 0.6 s.
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
        drawn = BLINK_S * math.exp(BLINK_SPREAD * float(torch.randn((), generator=chance)))
        moment += min(max(drawn, BLINK_RANGE_S[0]), BLINK_RANGE_S[1])
    return out


def glance_track(activity: Tensor, rotation: Tensor, fps: float, seed: int) -> Tensor:
    """Where the eyes look beside straight ahead, [T, 2] right and up, in units of coefficients.

    They rest on the viewer, whatever the head does, glance away for a moment and come back, a
    little further while somebody speaks.

    Args:
        activity: [T] 0..1, whether somebody speaks.
        rotation: [T, 3] of the head, in radians.
        fps: Video frames a second.
        seed: Of the glances.
    """
    frames = activity.shape[0]
    chance = _chance(seed, 2)
    target = torch.zeros(frames, 2)
    moment = _between(chance, 0.5, 2.5)
    while moment < frames / fps - 0.8:
        away = _between(chance, *AWAY_S)
        first = math.floor(moment * fps)
        stop = min(frames, math.ceil((moment + away) * fps))
        size = 0.6 + 0.4 * float(activity[min(first, frames - 1)])
        across, up = torch.randn(2, generator=chance).tolist()
        target[first:stop, 0] = size * max(-0.35, min(0.35, 0.16 * across))
        target[first:stop, 1] = size * max(-0.3, min(0.3, 0.12 * up))
        moment += away + _between(chance, *GLANCE_S)
    steps = max(1, round(SACCADE_S * fps))
    kernel = torch.ones(2, 1, steps) / steps
    padded = torch.nn.functional.pad(target.T[None], (steps - 1, 0), mode="replicate")
    glance = torch.nn.functional.conv1d(padded, kernel, groups=2)[0].T  # [T, 2]
    back = torch.stack([-rotation[:, 1], rotation[:, 0]], 1) / torch.tensor(FULL_TURN_RAD)
    return glance + HOLD * back


def add_gaze(coefficients: Tensor, gaze: Tensor) -> None:
    """Turn the eyes of coefficients [T, 52] by a gaze [T, 2] right and up, in place."""
    right, up = gaze[:, 0], gaze[:, 1]
    for name, amount in (
        ("eyeLookOutLeft", right), ("eyeLookInRight", right), ("eyeLookInLeft", -right),
        ("eyeLookOutRight", -right), ("eyeLookUpLeft", up), ("eyeLookUpRight", up),
        ("eyeLookDownLeft", -up), ("eyeLookDownRight", -up),
    ):  # fmt: skip
        coefficients[:, ARKIT_INDEX[name]] += amount.clamp_min(0.0)


def add_blinks(coefficients: Tensor, blink: Tensor) -> None:
    """Close the lids of coefficients [T, 52] by a share [T], in place."""
    share = blink.clamp(0.0, 1.0)
    for side in ("Left", "Right"):
        lid = coefficients[:, ARKIT_INDEX[f"eyeBlink{side}"]]
        lid += (1.0 - lid) * share
        coefficients[:, ARKIT_INDEX[f"eyeWide{side}"]] *= 1.0 - share


def _chance(seed: int, use: int) -> torch.Generator:
    """A generator of its own for each of three uses, from any seed a host may give."""
    return torch.Generator().manual_seed((3 * seed + use) % 2**63)


def _between(chance: torch.Generator, low: float, high: float) -> float:
    return low + (high - low) * float(torch.rand((), generator=chance))


def _ramp(x: Tensor) -> Tensor:
    x = x.clamp(0.0, 1.0)
    return x * x * (3.0 - 2.0 * x)
