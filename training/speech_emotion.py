"""Train speech → emotion, the second network of stage 2.

    python -m synchrorama.training.speech_emotion --emodb DIR --cache FILE.npz
        --out FILE.safetensors [--seed 0] [--folds] [--report FILE.json]

Every recording is heard in ten versions: as it is, and nine times faster or slower, from another
start, in another tone, room and noise, some by telephone. Making them takes minutes, so they are
kept in FILE.npz. Synthetic voices (flite, espeak-ng) read sentences as further neutral speech.
--folds trains once for each speaker and finds the temperature on speakers that were left out;
speakers 13 and 14 take no part in anything here.

Source: emodb, Burkhardt et al., "A Database of German Emotional Speech", Interspeech 2005.
"""

from __future__ import annotations

import argparse
import json
import random
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..models.checkpoint import save_checkpoint
from ..models.emotion.circumplex import CLASS_POINTS
from ..models.emotion.speech_emotion import (
    BUILTIN,
    CLASSES,
    FORMAT,
    WINDOW,
    SpeechEmotion,
    SpeechEmotionConfig,
    frame_features,
    prepare,
    read_out,
)
from ..models.speech import HOP, MELS, SAMPLE_RATE, to_mono
from ..models.types import EMOTIONS
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
SYNTHETIC_WEIGHT = 0.1  # of each of their windows, where a recording's mean weight is 1
SOURCE = (
    "Trained from scratch on emodb (Burkhardt et al. 2005; speakers 13 and 14 held out) and, as "
    "neutral speech, on synthetic voices of espeak-ng and flite."
)


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


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How members are trained; chosen on speakers left out one by one."""

    statistic_epochs: int = 6
    statistic_rate: float = 2e-3
    course_epochs: int = 9
    course_rate: float = 5e-3


RECIPE = Recipe()


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


def points() -> Tensor:
    """Valence and arousal of CLASSES, [7, 2]; boredom is calmer and less pleasant than neutral."""
    table = torch.tensor([CLASS_POINTS[EMOTIONS.index(shown)] for _, shown in CLASSES])
    table[[name for name, _ in CLASSES].index("boredom")] = torch.tensor([-0.2, -0.4])
    return table


def weights_of(examples: Examples, index: NDArray[np.int64]) -> Tensor:
    """How much each example counts [N]: rare classes more, synthetic voices little."""
    real = index[examples.speaker[index] != "synthetic"]
    count = torch.bincount(examples.label[real], minlength=len(CLASSES)).clamp_min(1)
    weight = (len(real) / len(CLASSES) / count) ** 0.7
    synthetic = torch.from_numpy(examples.speaker == "synthetic")
    return torch.where(synthetic, SYNTHETIC_WEIGHT, weight[examples.label])


def loss_of(said: Tensor, label: Tensor, weight: Tensor) -> Tensor:
    """Of raw outputs [B, 9]: classes with smoothed labels, and distance in the circumplex."""
    classes = nn.functional.cross_entropy(
        said[:, : len(CLASSES)], label, label_smoothing=0.05, reduction="none"
    )
    away = (said[:, len(CLASSES) :].tanh() - points()[label]).square().sum(1)
    return ((classes + 2.0 * away) * weight).mean()


def train(
    examples: Examples,
    index: NDArray[np.int64],
    *,
    seed: int,
    config: SpeechEmotionConfig = BUILTIN,
    recipe: Recipe = RECIPE,
) -> SpeechEmotion:
    """An ensemble, each member with another start and order.

    Args:
        examples: All there are.
        index: Which of them train.
        seed: Of the first member.
        config: Of the ensemble.
        recipe: Epochs and rates.
    """
    torch.random.default_generator.manual_seed(seed)
    model = SpeechEmotion(config).train()
    chosen = examples.statistics[index]
    model.mean.copy_(chosen.mean(0))
    model.spread.copy_(chosen.std(0) + 1e-4)
    weight = weights_of(examples, index)
    chance = np.random.default_rng(seed)
    standard = ((examples.statistics - model.mean) / model.spread).clamp(-5.0, 5.0)
    for member in model.statistic_members:
        epochs, rate = recipe.statistic_epochs, recipe.statistic_rate
        optimizer = torch.optim.AdamW(member.parameters(), lr=rate, weight_decay=0.3)
        for batch in _batches(index, 32, epochs, rate, optimizer, chance):
            noisy = standard[batch] + 0.1 * torch.randn(len(batch), standard.shape[1])
            _step(loss_of(member(noisy), examples.label[batch], weight[batch]), optimizer)
    for member in model.course_members:
        epochs, rate = recipe.course_epochs, recipe.course_rate
        optimizer = torch.optim.AdamW(member.parameters(), lr=rate, weight_decay=1e-2)
        for batch in _batches(index, 64, epochs, rate, optimizer, chance):
            course = examples.course[batch].float()
            first, width = int(chance.integers(0, 18)), int(chance.integers(0, 4))
            half = course.shape[2] // 2
            course[:, :, first : first + width] = 0.0  # a band goes unheard
            course[:, :, half + first : half + first + width] = 0.0
            said = member(course, examples.active[batch])
            _step(loss_of(said, examples.label[batch], weight[batch]), optimizer)
    return model.train(False).requires_grad_(False)


def _batches(index, size, epochs, rate, optimizer, chance):  # type: ignore[no-untyped-def]
    """Random batches of indices for some epochs, while the rate rises and falls."""
    size = min(size, len(index))
    steps = len(index) // size
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, rate, total_steps=steps * epochs + 1, pct_start=0.1
    )
    for _ in range(epochs):
        order = chance.permutation(index)
        for step in range(steps):
            yield torch.from_numpy(order[step * size : (step + 1) * size])
            schedule.step()


def _step(loss: Tensor, optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


@torch.no_grad()
def said_by(model: SpeechEmotion, examples: Examples, index: NDArray[np.int64]) -> Tensor:
    """Raw outputs of each member before the temperature, [M, n, 9]."""
    i = torch.from_numpy(index)
    return model.members(examples.statistics[i], examples.course[i].float(), examples.active[i])


def training_index(examples: Examples, without: str = "") -> NDArray[np.int64]:
    """Which examples train: all versions of SPEAKERS but one, and the synthetic voices."""
    numbered = np.char.isdigit(examples.version)
    speakers = [*(s for s in SPEAKERS if s != without), "synthetic"]
    return np.flatnonzero(numbered & np.isin(examples.speaker, speakers))


def folds(
    examples: Examples, *, seed: int, config: SpeechEmotionConfig = BUILTIN, recipe: Recipe = RECIPE
) -> tuple[NDArray[np.int64], Tensor]:
    """What ensembles say of the speaker that they were not trained on.

    Returns:
        Indices [n] of the recordings of SPEAKERS, clean, noisy and by telephone, and raw outputs
        [n, 9] for them.
    """
    indices, outputs = [], []
    tested = np.isin(examples.version, ["0", "noise", "telephone"])
    for speaker in SPEAKERS:
        model = train(
            examples, training_index(examples, speaker), seed=seed, config=config, recipe=recipe
        )
        index = np.flatnonzero(tested & (examples.speaker == speaker))
        indices.append(index)
        outputs.append(model.together(said_by(model, examples, index)))
        print(f"without {speaker}: recall {recall(outputs[-1], examples.label[index]):.3f}",
              flush=True)  # fmt: skip
    return np.concatenate(indices), torch.cat(outputs)


def recall(said: Tensor, label: Tensor) -> float:
    """Mean over the classes that occur of the share that is found."""
    found = said[:, : len(CLASSES)].argmax(1) == label
    return float(torch.stack([found[label == c].float().mean() for c in label.unique()]).mean())


def confusion(said: Tensor, label: Tensor) -> list[list[int]]:
    """How often each class (row) was taken for each (column), in the order of CLASSES."""
    count = len(CLASSES)
    pairs = label * count + said[:, :count].argmax(1)
    table: list[list[int]] = torch.bincount(pairs, minlength=count**2).view(count, count).tolist()
    return table


def best_temperature(said: Tensor, label: Tensor) -> float:
    """What logits [n, 9] must be divided by so that probabilities are honest."""

    def doubt(temperature: float) -> float:
        probabilities, _ = read_out(said, temperature)
        chosen = probabilities.gather(1, label[:, None])
        return float(-chosen.clamp_min(1e-9).log().mean())

    return min((0.3 + 0.05 * i for i in range(60)), key=doubt)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--emodb", type=Path, help="needed when the cache is not there yet")
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--temperature", type=float, help="else found by --folds, else 1")
    parser.add_argument("--folds", action="store_true", help="leave each speaker out first")
    parser.add_argument("--report", type=Path, help="JSON of what --folds measured")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if not args.cache.is_file():
        make_cache(args.emodb, args.cache)
    examples = read_cache(args.cache)
    temperature = args.temperature or 1.0
    if args.folds:
        index, told = folds(examples, seed=args.seed)
        label = examples.label[index]
        clean = torch.from_numpy(examples.version[index] == "0")
        temperature = best_temperature(told[clean], label[clean])
        report: dict[str, object] = {"temperature": temperature, "classes": LETTERS}
        for version in ("0", "noise", "telephone"):
            of = torch.from_numpy(examples.version[index] == version)
            report[f"recall_{version}"] = round(recall(told[of], label[of]), 4)
        report["confusion"] = confusion(told[clean], label[clean])
        print(json.dumps(report))
        if args.report:
            args.report.write_text(json.dumps(report))
    config = replace(BUILTIN, temperature=temperature)
    model = train(examples, training_index(examples), seed=args.seed, config=config)
    save_checkpoint(
        args.out,
        {k: v.half() if v.is_floating_point() else v for k, v in model.state_dict().items()},
        format=FORMAT,
        config=model.config_dict(),
        source=SOURCE,
        licence="Apache-2.0",
    )


if __name__ == "__main__":
    main()
