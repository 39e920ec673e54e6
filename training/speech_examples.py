"""emodb's recordings as the speech network hears them: many versions of each, kept in a file.

Source: emodb, Burkhardt et al., "A Database of German Emotional Speech", Interspeech 2005.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..models.emotion.speech_emotion import WINDOW, frame_features, prepare
from ..models.speech import HOP, MELS, SAMPLE_RATE, to_mono
from . import augment as rooms
from .sentences import sentences, text_for
from .voices import Espeak, flite

Array = NDArray[np.float32]
LETTERS = "WEAFNTL"  # emodb's letters in the order of CLASSES
TEST_SPEAKERS = ("13", "14")
SPEAKERS = ("03", "08", "09", "10", "11", "12")  # that train
VERSIONS = 10
LONGEST = WINDOW * HOP  # samples
SYNTHETIC = 120  # sentences of synthetic voices


@dataclass(frozen=True, eq=False)
class Examples:
    """What the networks see of many windows, and what they should say."""

    name: NDArray[np.str_]  # [N] of the recording
    speaker: NDArray[np.str_]  # [N] two digits, or "synthetic"
    version: NDArray[np.str_]  # [N] "0" as recorded, "1".. augmented, "noise", "telephone"
    label: Tensor  # [N] int64, index into CLASSES
    statistics: Tensor  # [N, 93]
    course: Tensor  # [N, 200, 46] half precision
    active: Tensor  # [N, 200] bool


def load(path: Path) -> Array:
    """A recording as mono at 16 kHz, without the zeros that pad it."""
    samples, rate = soundfile.read(path, dtype="float32")
    mono = to_mono(torch.from_numpy(samples), int(rate)).numpy()
    heard = np.flatnonzero(np.abs(mono) > 1e-4)
    return mono[: heard[-1] + 1] if len(heard) else mono[:0]


def window(samples: Array, chance: np.random.Generator | None = None) -> Array:
    """Two seconds: the first, or from a random start."""
    spare = len(samples) - LONGEST
    start = int(chance.integers(0, spare + 1)) if chance is not None and spare > 0 else 0
    return samples[start : start + LONGEST]


def another(samples: Array, chance: np.random.Generator) -> Array:
    """Two seconds of a recording as somebody else would have said it elsewhere."""
    if chance.random() < 0.8:
        samples, _ = rooms.change_speed(samples, [], float(chance.uniform(0.85, 1.2)))
    samples = window(samples, chance)
    if chance.random() < 0.5:
        samples = rooms.colour(samples, chance)
    if chance.random() < 0.3:
        samples = rooms.room(samples, float(chance.uniform(0.1, 0.4)), chance)
    if chance.random() < 0.5:
        samples = rooms.noise(samples, float(chance.uniform(8.0, 40.0)), chance)
    if chance.random() < 0.2:
        samples = rooms.telephone(samples)
    return samples.astype(np.float32)


def synthetic_speech(chance: random.Random) -> list[Array]:
    """Sentences read by synthetic voices, which know no emotion."""
    espeak, out = Espeak(), []
    for i in range(SYNTHETIC):
        if i % 2:
            said = flite(chance.choice(sentences("en")), ("slt", "rms", "awb")[i // 2 % 3])
        else:
            language = chance.choice(["en-us", "en-gb", "de", "fr-fr", "it"])
            variant = chance.choice(["", "+f2", "+m3", "+f4", "+m7"])
            said = espeak.say(
                text_for(language, chance),
                language + variant,
                rate=chance.randint(140, 190),
                pitch=chance.randint(30, 70),
                span=chance.randint(20, 60),
            )
        if said is not None:
            out.append(to_mono(torch.from_numpy(said.samples), said.sample_rate).numpy())
    return out


def make_cache(emodb: Path, path: Path, seed: int = 0) -> None:
    """Write features of every version of every recording, tests included, to a file.

    Speakers of the test, and all others once more, also come with noise 10 dB below the speech and
    by telephone.
    """
    chance = np.random.default_rng(seed)
    rows: list[tuple[str, str, str, str, Array, int]] = []

    def add(name: str, speaker: str, letter: str, version: str, samples: Array) -> None:
        features = frame_features(torch.from_numpy(np.ascontiguousarray(samples)))[:WINDOW]
        kept = np.zeros((WINDOW, MELS + 2), np.float16)
        kept[: len(features)] = features.numpy()
        rows.append((name, speaker, letter, version, kept, len(features)))

    for file in sorted((emodb / "wav").glob("*.flac")):
        name, samples = file.stem, load(file)
        if len(samples) < SAMPLE_RATE // 2:
            continue
        first = window(samples)
        add(name, name[:2], name[5], "0", first)
        add(name, name[:2], name[5], "noise", rooms.noise(first, 10.0, chance))
        add(name, name[:2], name[5], "telephone", rooms.telephone(first))
        for version in range(1, VERSIONS if name[:2] in SPEAKERS else 1):
            add(name, name[:2], name[5], str(version), another(samples, chance))
    for i, samples in enumerate(synthetic_speech(random.Random(seed))):
        add(f"synthetic{i}", "synthetic", "N", "0", window(samples))
        for version in range(1, 4):
            coloured = rooms.colour(window(samples, chance), chance)
            noisy = rooms.noise(coloured, float(chance.uniform(8.0, 40.0)), chance)
            add(f"synthetic{i}", "synthetic", "N", str(version), noisy)
    names = ("name", "speaker", "letter", "version", "features", "length")
    np.savez(path, **{key: np.array(column) for key, column in zip(names, zip(*rows, strict=True),
                                                                   strict=True)})  # fmt: skip


def read_cache(path: Path, seed: int = 5) -> Examples:
    """Examples of what `make_cache` wrote; some augmented ones get noise or a telephone on top."""
    data = np.load(path)
    chance = np.random.default_rng(seed)
    generator = torch.Generator().manual_seed(seed)
    parts: list[tuple[Tensor, ...]] = []
    for features, length, version in zip(
        data["features"], data["length"], data["version"], strict=True
    ):
        frames = torch.from_numpy(features[:length]).float()
        if version.isdigit() and version != "0":
            frames[:, :MELS] = muffled(frames[:, :MELS], chance, generator)
        statistics, course, active = prepare(frames[None])
        spare = WINDOW - course.shape[1]
        course = nn.functional.pad(course, (0, 0, 0, spare)).half()
        parts.append((statistics, course, nn.functional.pad(active, (0, spare))))
    statistics, course, active = (torch.cat(column) for column in zip(*parts, strict=True))
    label = torch.tensor([LETTERS.index(letter) for letter in data["letter"]])
    return Examples(
        data["name"], data["speaker"], data["version"], label, statistics, course, active
    )


def muffled(mel: Tensor, chance: np.random.Generator, generator: torch.Generator) -> Tensor:
    """Mel features [L, 80], at times with steady noise, at times without what telephones drop."""
    if chance.random() < 0.35:
        level, tilt = -chance.uniform(0.0, 1.3), chance.uniform(-0.6, 0.0)
        hiss = level + tilt * torch.linspace(0.0, 1.0, MELS)
        hiss = hiss + 0.12 * torch.randn(mel.shape, generator=generator)
        mel = (10.0 ** (2.0 * mel) + 10.0 ** (2.0 * hiss)).log10() / 2.0
    if chance.random() < 0.25:
        low, high = (2595.0 * np.log10(1.0 + hz / 700.0) for hz in (20.0, 7600.0))
        hertz = 700.0 * (10.0 ** (torch.linspace(low, high, MELS + 2)[1:-1] / 2595.0) - 1.0)
        mel = torch.where((hertz < 280.0) | (hertz > 3500.0), -2.0, mel)
    return mel
