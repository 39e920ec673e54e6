"""Sounds in which nobody speaks, so that the network learns to keep the mouth still.

Shapes: S samples at 16 kHz. All randomness comes from the generator given.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
SAMPLE_RATE = 16000


def background(samples: int, chance: np.random.Generator) -> Array:
    """Music, noise, clicks or a hum, [S], peak 0.05 to 0.9."""
    kind = chance.choice(["music", "music", "noise", "clicks", "hum"])
    make = {"music": music, "noise": breath, "clicks": clicks, "hum": hum}[str(kind)]
    out = make(samples, chance)
    return (out / (np.abs(out).max() + 1e-9) * chance.uniform(0.05, 0.9)).astype(np.float32)


def music(samples: int, chance: np.random.Generator) -> Array:
    """Chords of plucked or held tones with overtones over a beat, often with drums."""
    out = np.zeros(samples, dtype=np.float32)
    beat = int(SAMPLE_RATE * chance.uniform(0.15, 0.6))
    scale = 55.0 * 2.0 ** (np.array([0, 2, 4, 5, 7, 9, 11]) / 12.0 + chance.uniform(0.0, 1.0))
    plucked, richness = bool(chance.random() < 0.6), chance.uniform(0.6, 2.0)
    drums = chance.uniform(0.0, 0.8) if chance.random() < 0.6 else 0.0
    for start in range(0, samples, beat):
        for _ in range(int(chance.integers(1, 4))):
            length = min(samples - start, int(beat * chance.uniform(0.8, 4.0)))
            time = np.arange(length, dtype=np.float32) / SAMPLE_RATE
            tone = float(chance.choice(scale)) * 2.0 ** int(chance.integers(0, 4))
            vibrato = 1.0 + 0.004 * np.sin(2 * np.pi * chance.uniform(4.0, 7.0) * time)
            phase = 2 * np.pi * tone * np.cumsum(vibrato) / SAMPLE_RATE
            voice = sum(
                np.sin(k * phase) / k**richness for k in range(1, 9) if k * tone < SAMPLE_RATE / 2
            )
            fall = (
                np.exp(-time / chance.uniform(0.1, 0.6)) if plucked else np.hanning(length + 1)[1:]
            )
            out[start : start + length] += (voice * fall * chance.uniform(0.3, 1.0)).astype(
                np.float32
            )
        if drums:
            length = min(samples - start, beat)
            time = np.arange(length, dtype=np.float32) / SAMPLE_RATE
            hit = chance.standard_normal(length) * np.exp(-time / chance.uniform(0.01, 0.08))
            out[start : start + length] += (drums * 2.0 * hit).astype(np.float32)
    return out


def breath(samples: int, chance: np.random.Generator) -> Array:
    """Noise of a random colour that swells and fades."""
    spectrum = np.fft.rfft(chance.standard_normal(samples))
    slope = np.maximum(np.arange(len(spectrum)), 20.0) ** -chance.uniform(0.0, 1.0)
    knots = 10.0 ** chance.uniform(-1.5, 0.0, max(2, samples // 4000))
    swell = np.interp(np.arange(samples), np.linspace(0, samples, len(knots)), knots)
    return (np.fft.irfft(spectrum * slope, samples) * swell).astype(np.float32)


def clicks(samples: int, chance: np.random.Generator) -> Array:
    """Taps and keystrokes over a little hiss."""
    out = 0.01 * chance.standard_normal(samples)
    for start in chance.integers(0, max(1, samples - 800), max(1, samples // 4000)):
        time = np.arange(800) / SAMPLE_RATE
        ring = np.sin(2 * np.pi * chance.uniform(200.0, 4000.0) * time)
        noise = chance.standard_normal(800)
        shape = np.exp(-time / chance.uniform(0.002, 0.02)) * chance.uniform(0.2, 1.0)
        out[start : start + 800] += ((ring + noise) * shape)[: samples - start]
    return out.astype(np.float32)


def hum(samples: int, chance: np.random.Generator) -> Array:
    """Mains or a motor."""
    time = np.arange(samples) / SAMPLE_RATE
    tone = chance.uniform(40.0, 180.0)
    overtones = sum(
        chance.uniform(0.0, 1.0) * np.sin(2 * np.pi * k * tone * time) for k in range(1, 12)
    )
    return (overtones + 0.05 * chance.standard_normal(samples)).astype(np.float32)
