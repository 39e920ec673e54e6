"""Speech on the video clock: how many frames, mono at 16 kHz, mel features.

Shapes: B clips, C channels, S samples, M mel bands, L mel frames, T video frames.
"""

from __future__ import annotations

import math
from fractions import Fraction

import torch
from scipy.signal import resample_poly
from torch import Tensor

SAMPLE_RATE = 16000  # Hz, of every speech model of the pack
HOP = 160  # samples a mel frame, 10 ms
WINDOW = 400  # samples, 25 ms
FFT = 512
MELS = 80
QUIET = -5.0  # decades of mel power, that of speech at about -67 dBFS: less is silence


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


def to_mono(waveform: Tensor, sample_rate: int) -> Tensor:
    """One channel at 16 kHz, [S'] float32 on the CPU.

    Args:
        waveform: [1, C, S], [C, S] or [S], any level; channels are averaged.
        sample_rate: In Hz.

    Raises:
        ValueError: No samples, several clips, a wrong shape, samples that are not finite, or a
            sample rate outside 4 to 768 kHz.
    """
    if waveform.ndim == 3 and waveform.shape[0] > 1:
        raise ValueError(
            f"'audio' holds a batch of {waveform.shape[0]} clips, needed is one. Take one clip "
            "of the batch, or run the workflow once for each."
        )
    if not 1 <= waveform.ndim <= 3:
        raise ValueError(
            f"'audio' has shape {list(waveform.shape)}, needed is [1, channels, samples]."
        )
    if waveform.numel() == 0:
        raise ValueError("'audio' is empty. Connect audio that is at least one sample long.")
    if not 4000 <= sample_rate <= 768000:
        raise ValueError(f"'audio' has {sample_rate} samples a second. Use 4000 to 768000.")
    mono = waveform.detach().cpu().float().reshape(-1, waveform.shape[-1]).mean(0)
    if not bool(torch.isfinite(mono).all()):
        bad = int((~torch.isfinite(mono)).sum())
        raise ValueError(
            f"'audio' holds {bad} samples that are not numbers (NaN or infinite). Export it again, "
            "or repair it in a sound editor."
        )
    if sample_rate == SAMPLE_RATE:
        return mono
    common = math.gcd(SAMPLE_RATE, sample_rate)
    # a Kaiser window of 10 keeps what folds back 90 dB down
    return torch.from_numpy(
        resample_poly(
            mono.numpy(), SAMPLE_RATE // common, sample_rate // common, window=("kaiser", 10.0)
        )
    ).float()


def log_mel(samples: Tensor) -> Tensor:
    """Mel features with the clip's level taken out, [L, 80], 100 frames a second.

    Frame i is centred at (i + 0.5) / 100 s and L = ceil(S / 160). A band as strong as the mean of
    loud speech is 1, one 20 dB stronger is 2, and the floor is -2; silence is -2 everywhere.

    Args:
        samples: [S] at 16 kHz.

    Raises:
        ValueError: There are no samples.
    """
    if samples.ndim != 1 or samples.numel() == 0:
        raise ValueError("'audio' is empty. Connect audio that is at least one sample long.")
    frames = math.ceil(samples.numel() / HOP)
    before = (FFT - HOP) // 2  # so that a frame's window is centred on its 10 ms
    padded = torch.nn.functional.pad(samples.float(), (before, FFT + HOP))
    window = torch.nn.functional.pad(torch.hann_window(WINDOW), ((FFT - WINDOW) // 2,) * 2)
    bank = mel_filters()
    blocks = []
    for start in range(0, frames, 6000):  # a minute at a time, so that memory stays flat
        stop = min(start + 6000, frames)
        block = padded[start * HOP : (stop - 1) * HOP + FFT].unfold(0, FFT, HOP)  # [n, FFT]
        power = torch.fft.rfft(block * window).abs().square()  # [n, FFT / 2 + 1]
        blocks.append(power @ bank.T)
    power = torch.cat(blocks)  # [L, 80]
    loudest = torch.quantile(power.mean(1)[:: max(1, frames // 1_000_000)], 0.95)
    level = max(math.log10(float(loudest) + 1e-12), QUIET)
    return ((power.clamp_min(1e-12).log10() - level) / 2.0 + 1.0).clamp(-2.0, 3.0)


def mel_filters() -> Tensor:
    """Triangular filters of equal area on the mel scale, 20 to 7600 Hz, [80, FFT / 2 + 1].

    Source: Slaney's Auditory Toolbox form, with the HTK mel scale 2595 log10(1 + f / 700).
    """
    low, high = (2595.0 * math.log10(1.0 + hz / 700.0) for hz in (20.0, 7600.0))
    edges = 700.0 * (10.0 ** (torch.linspace(low, high, MELS + 2) / 2595.0) - 1.0)
    hertz = torch.linspace(0.0, SAMPLE_RATE / 2.0, FFT // 2 + 1)
    rise = (hertz - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    fall = (edges[2:, None] - hertz) / (edges[2:] - edges[1:-1])[:, None]
    area = 2.0 / (edges[2:] - edges[:-2])
    return torch.minimum(rise, fall).clamp_min(0.0) * area[:, None]
