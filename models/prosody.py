"""Pitch, loudness and rate of speech, and how much of its arousal they tell.

Shapes: S samples at 16 kHz, L frames of 10 ms, N lags.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .speech import HOP, MELS, SAMPLE_RATE

LOWEST, HIGHEST = 60.0, 500.0  # Hz, of the voices that are looked for
SPAN = 512  # samples compared at each lag, 32 ms
VOICED = 0.7  # periodicity above which a frame has a pitch
LOUD = 0.0  # loudness above which it counts as speech
QUIET = 0.15  # loudness under which a voice rests, 17 dB below loud speech
DOUBT = 0.2  # of YIN's normalised difference: a lag below this is a period


def pitch(samples: Tensor) -> tuple[Tensor, Tensor]:
    """Pitch in Hz [L] and how periodic the sound is [L] 0..1; a voice is above 0.5 or so.

    Frame i is centred at (i + 0.5) / 100 s, as in `speech.log_mel`.

    Args:
        samples: [S] at 16 kHz.

    Source: de Cheveigné and Kawahara, "YIN, a fundamental frequency estimator for speech and
        music", JASA 2002, equations 6 to 8, with a median over five frames.
    """
    longest = math.ceil(SAMPLE_RATE / LOWEST)
    shortest = math.floor(SAMPLE_RATE / HIGHEST)
    reach = SPAN + longest + 1
    frames = math.ceil(samples.numel() / HOP)
    before = (reach - HOP) // 2
    padded = torch.nn.functional.pad(samples.float(), (before, reach + HOP))
    hertz, periodic = [], []
    for start in range(0, frames, 6000):  # a minute at a time, so that memory stays flat
        stop = min(start + 6000, frames)
        block = padded[start * HOP : (stop - 1) * HOP + reach].unfold(0, reach, HOP)
        one, two = _periods(block, shortest, longest)
        hertz.append(one)
        periodic.append(two)
    steady = torch.nn.functional.pad(torch.cat(hertz)[None, None], (2, 2), mode="replicate")
    return steady[0, 0].unfold(0, 5, 1).median(1).values, torch.cat(periodic)


def _periods(block: Tensor, shortest: int, longest: int) -> tuple[Tensor, Tensor]:
    """Pitch and periodicity [L] of blocks [L, SPAN + longest + 1]."""
    size = 1 << (block.shape[1] + SPAN - 1).bit_length()
    whole, first = torch.fft.rfft(block, size), torch.fft.rfft(block[:, :SPAN], size)
    lags = longest + 2
    correlation = torch.fft.irfft(whole * first.conj(), size)[:, :lags]  # [L, N]
    energy = torch.nn.functional.pad(block.double().square().cumsum(1), (1, 0))
    power = (energy[:, SPAN : SPAN + lags] - energy[:, :lags]).float()  # [L, N]
    difference = (power[:, :1] + power - 2.0 * correlation).clamp_min(0.0)
    total = difference[:, 1:].cumsum(1).clamp_min(1e-9)
    steps = torch.arange(1, lags, device=block.device)
    normal = torch.cat([torch.ones_like(total[:, :1]), difference[:, 1:] * steps / total], 1)
    silent = power[:, 0] < 1e-7 * SPAN  # below -70 dBFS there is no pitch
    inner = normal[:, shortest : longest + 1]
    dip = (inner <= normal[:, shortest - 1 : longest]) & (inner <= normal[:, shortest + 1 :])
    good = dip & (inner < DOUBT)
    lag = torch.where(good.any(1), good.int().argmax(1), inner.argmin(1)) + shortest
    left, mid, right = (normal.gather(1, (lag + k)[:, None])[:, 0] for k in (-1, 0, 1))
    shift = 0.5 * (left - right) / (left - 2.0 * mid + right).clamp_min(1e-6)
    period = lag + shift.clamp(-0.5, 0.5)
    return SAMPLE_RATE / period, torch.where(silent, 0.0, (1.0 - mid).clamp(0.0, 1.0))


def loudness(mel: Tensor) -> Tensor:
    """How loud each frame is, [..., L]: 1 as loud speech in the clip, 0 is 20 dB less.

    Args:
        mel: [..., L, 80] from `speech.log_mel`.
    """
    decades = 2.0 * math.log(10.0)
    return ((decades * mel).logsumexp(-1) - math.log(MELS)) / decades


def runs(mask: Tensor) -> list[tuple[int, int]]:
    """First and one past the last frame of each run of True."""
    edges = torch.diff(mask.int(), prepend=mask.new_zeros(1).int(), append=mask.new_zeros(1).int())
    starts, stops = ((edges == sign).nonzero()[:, 0].tolist() for sign in (1, -1))
    return list(zip(starts, stops, strict=True))


def excitement(features: Tensor) -> Tensor:
    """How high, loud and fast the voice is against its own average, [L] -1..1; 0 in silence.

    Pitch, loudness and the rate at which syllables begin are each taken over half a second to a
    second, compared with the clip's own mean and spread, and averaged.

    Args:
        features: [L, 82] from `speech_emotion.frame_features`.
    """
    mel, octave, periodic = features[:, :MELS], features[:, MELS], features[:, MELS + 1]
    level = loudness(mel)
    voiced = (periodic > VOICED) & (level > LOUD)
    if int(voiced.sum()) < 10:
        return torch.zeros_like(level)
    rising = voiced[1:] & ~voiced[:-1]
    onsets = torch.nn.functional.pad(rising.float(), (1, 0))
    high = _relative(octave, voiced, 25)
    loud = _relative(level, voiced, 25)
    fast = _relative(onsets, torch.ones_like(voiced), 50)
    near = _around(voiced.float(), 25)
    return ((high + loud + fast) / 3.0).tanh() * (near / 0.2).clamp(0.0, 1.0)


def _around(x: Tensor, reach: int) -> Tensor:
    """Weighted mean [L] over 2 reach + 1 frames, most for those in the middle."""
    weights = torch.hann_window(2 * reach + 3, periodic=False, device=x.device)[1:-1]
    kernel = (weights / weights.sum())[None, None]
    return torch.nn.functional.conv1d(x.float()[None, None], kernel, padding=reach)[0, 0]


def _relative(x: Tensor, mask: Tensor, reach: int) -> Tensor:
    """A smooth track [L] in its own standard deviations around its own mean, frames of a mask."""
    smooth = _around(x * mask, reach) / _around(mask.float(), reach).clamp_min(1e-3)
    inside = smooth[mask]
    return ((smooth - inside.mean()) / inside.std().clamp_min(1e-2)).clamp(-2.0, 2.0)
