"""Speech as it comes out of rooms, telephones and noisy places, from clean speech.

Shapes: S samples at 16 kHz. All randomness comes from the generator given.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft
from scipy.signal import fftconvolve

from .phones import Phone

Array = NDArray[np.float32]
SAMPLE_RATE = 16000
# by which noise lies below speech in bad recordings, and in the others
BAD_DB, GOOD_DB = (3.0, 20.0), (10.0, 40.0)


def augment(
    samples: Array, phones: list[Phone], chance: np.random.Generator
) -> tuple[Array, list[Phone]]:
    """One random version of an utterance: rate, pitch, tone, room, noise, telephone, clipping.

    Args:
        samples: [S].
        phones: Its phones; returned with the times that they have afterwards.
        chance: Where randomness comes from.
    """
    if chance.random() < 0.4:
        samples, phones = stretch(samples, phones, float(chance.uniform(0.75, 1.3)))
    if chance.random() < 0.5:
        samples, phones = change_speed(samples, phones, float(chance.uniform(0.82, 1.22)))
    if chance.random() < 0.5:
        samples = colour(samples, chance)
    if chance.random() < 0.4:
        samples = dull(samples, float(chance.uniform(3.0, 20.0)))
    if chance.random() < 0.35:
        samples = room(samples, float(chance.uniform(0.1, 0.5)), chance)
    bad = chance.random() < 0.6
    if chance.random() < 0.8:
        samples = noise(samples, float(chance.uniform(*(BAD_DB if bad else GOOD_DB))), chance)
    if chance.random() < (0.55 if bad else 0.1):
        samples = telephone(samples)
    if chance.random() < 0.15:
        samples = companded(samples)
    if chance.random() < 0.1:
        limit = float(chance.uniform(0.2, 0.7)) * float(np.abs(samples).max() + 1e-9)
        samples = np.clip(samples, -limit, limit)
    return samples.astype(np.float32), phones


def change_speed(samples: Array, phones: list[Phone], factor: float) -> tuple[Array, list[Phone]]:
    """Played faster by the factor, pitch and formants with it."""
    length = int(len(samples) / factor)
    positions = np.arange(length) * factor
    out = np.interp(positions, np.arange(len(samples)), samples).astype(np.float32)
    return out, [Phone(p.name, p.start / factor, p.end / factor) for p in phones]


def stretch(samples: Array, phones: list[Phone], factor: float) -> tuple[Array, list[Phone]]:
    """Said faster by the factor at the same pitch.

    Windows of 32 ms are laid half over each other, each taken from where it best goes on from the
    last one (WSOLA, Verhelst and Roelands 1993).
    """
    hop, reach = 256, 128
    window = np.hanning(2 * hop + 1)[:-1].astype(np.float32)
    padded = np.pad(samples, (reach, 2 * reach + 4 * hop))
    count = int(len(samples) / factor)
    out = np.zeros(count + 3 * hop, dtype=np.float32)
    taken = reach
    for start in range(0, count + hop, hop):
        if start:
            near = min(int(start * factor), len(samples))  # reach before where it should be
            follows = padded[taken + hop : taken + 3 * hop]
            there = padded[near : near + 2 * hop + 2 * reach]
            fits = np.correlate(there, follows[: len(there)], mode="valid")
            taken = near + int(fits.argmax())
        out[start : start + 2 * hop] += window * padded[taken : taken + 2 * hop]
    # the first half window has nothing under its rise
    out[:hop] = padded[reach : reach + hop]
    return out[:count], [Phone(p.name, p.start / factor, p.end / factor) for p in phones]


def colour(samples: Array, chance: np.random.Generator) -> Array:
    """A smooth random frequency response within ±8 dB."""
    knots = chance.uniform(-8.0, 8.0, 7)
    size = next_fast_len(len(samples), real=True)
    spectrum = rfft(samples, size)
    place = np.sqrt(np.linspace(0.0, 1.0, len(spectrum)))  # finer below than above
    gain = 10.0 ** (np.interp(place, np.linspace(0.0, 1.0, 7), knots) / 20.0)
    return irfft(spectrum * gain.astype(np.float32), size)[: len(samples)]


def dull(samples: Array, fall_db: float) -> Array:
    """Near a microphone that favours low tones: from 1 kHz on that much weaker than below 250 Hz.

    Where half of the power of speech lies below 300 Hz, noise 10 dB below the whole is louder than
    all that tells consonants apart.
    """
    size = next_fast_len(len(samples), real=True)
    hertz = np.maximum(np.fft.rfftfreq(size, 1.0 / SAMPLE_RATE), 1.0)
    gain = 10.0 ** (-fall_db * np.clip(np.log2(hertz / 250.0) / 2.0, 0.0, 1.0) / 20.0)
    dulled = irfft(rfft(samples, size) * gain.astype(np.float32), size)[: len(samples)]
    louder = np.abs(samples).max() / (np.abs(dulled).max() + 1e-9)
    return (dulled * louder).astype(np.float32)


def room(samples: Array, decay_s: float, chance: np.random.Generator) -> Array:
    """Reverberation that falls by 60 dB in decay_s, the direct sound first."""
    times = np.arange(int(decay_s * SAMPLE_RATE)) / SAMPLE_RATE
    tail = chance.standard_normal(len(times), dtype=np.float32) * 10.0 ** (-3.0 * times / decay_s)
    tail *= chance.uniform(0.2, 0.8) / (np.sqrt((tail**2).sum()) + 1e-9)
    tail[0] = 1.0
    return fftconvolve(samples, tail.astype(np.float32))[: len(samples)]


def noise(samples: Array, snr_db: float, chance: np.random.Generator) -> Array:
    """Noise of a random colour, that many dB below the speech."""
    size = next_fast_len(len(samples), real=True)
    spectrum = rfft(chance.standard_normal(size, dtype=np.float32))
    slope = np.maximum(np.arange(len(spectrum)), 20.0) ** -chance.uniform(0.0, 1.0)
    hiss = irfft(spectrum * slope.astype(np.float32), size)[: len(samples)]
    level = np.sqrt((samples**2).mean() / ((hiss**2).mean() + 1e-12)) * 10.0 ** (-snr_db / 20.0)
    return (samples + level * hiss).astype(np.float32)


def telephone(samples: Array) -> Array:
    """Only what lies between 300 and 3400 Hz."""
    size = next_fast_len(len(samples), real=True)
    hertz = np.fft.rfftfreq(size, 1.0 / SAMPLE_RATE)
    above, below = np.clip((hertz - 200.0) / 100.0, 0, 1), np.clip((3700.0 - hertz) / 300.0, 0, 1)
    return irfft(rfft(samples, size) * (above * below).astype(np.float32), size)[: len(samples)]


def companded(samples: Array) -> Array:
    """Through eight-bit μ-law, as old codecs do."""
    peak = float(np.abs(samples).max()) + 1e-9
    x = samples / peak
    code = np.round(np.sign(x) * np.log1p(255.0 * np.abs(x)) / np.log(256.0) * 127.0) / 127.0
    return (np.sign(code) * (256.0 ** np.abs(code) - 1.0) / 255.0 * peak).astype(np.float32)
