"""Speech on the video clock: how many frames, mono at 16 kHz, mel features.

Shapes: B clips, C channels, S samples, M mel bands, L mel frames, T video frames.
"""

from __future__ import annotations

import math
from fractions import Fraction

import torch
from torch import Tensor

SAMPLE_RATE = 16000  # Hz, of every speech model of the pack


def frame_count(samples: int, sample_rate: int, fps: float) -> int:
    """Number of video frames T = ceil(seconds · fps), exact for any sample count.

    Args:
        samples: Length of the audio.
        sample_rate: In Hz.
        fps: Video frames a second, 8 to 60; 23.976 and the like are taken as n/1001.

    Raises:
        ValueError: fps is out of range or the audio is empty.
    """
    if not 8.0 <= fps <= 60.0:
        raise ValueError(f"'fps' is {fps:g}. Use a value from 8 to 60.")
    if samples <= 0:
        raise ValueError("'audio' is empty. Connect audio that is at least one sample long.")
    return math.ceil(Fraction(samples, sample_rate) * exact_fps(fps))


def exact_fps(fps: float) -> Fraction:
    """The frame rate as a fraction: 25 → 25/1, 23.976 → 24000/1001."""
    ntsc = Fraction(round(fps * 1.001) * 1000, 1001)
    return ntsc if abs(float(ntsc) - fps) < 5e-4 else Fraction(fps).limit_denominator(10000)


def frame_times(frames: int, fps: float) -> Tensor:
    """Middle of each video frame in seconds, [T] float64."""
    return (torch.arange(frames, dtype=torch.float64) + 0.5) / float(exact_fps(fps))
