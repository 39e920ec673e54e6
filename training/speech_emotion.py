"""Train speech → emotion, the second network of stage 2.

    python -m synchrorama.training.speech_emotion --emodb DIR --cache FILE.npz
        --out FILE.safetensors [--seed 0] [--folds] [--report FILE.json] [--keep DIR]

Every recording is heard in ten versions: as it is, and nine times faster or slower, from another
start, in another tone, room and noise, some by telephone. Making them takes minutes, so they are
kept in FILE.npz. Synthetic voices (flite, espeak-ng) read sentences as further neutral speech.
--folds trains once for each speaker and finds the temperature on speakers that were left out, and
--keep writes these networks, which the fusion learns from; speakers 13 and 14 take no part in
anything here.

Source: emodb, Burkhardt et al., "A Database of German Emotional Speech", Interspeech 2005.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..models.checkpoint import save_checkpoint
from ..models.emotion.circumplex import CLASS_POINTS
from ..models.emotion.speech_emotion import (
    BUILTIN,
    CLASSES,
    FORMAT,
    SpeechEmotion,
    SpeechEmotionConfig,
    read_out,
)
from ..models.types import EMOTIONS
from .speech_examples import LETTERS, SPEAKERS, Examples, make_cache, read_cache

SYNTHETIC_WEIGHT = 0.1  # of each of their windows, where a recording's mean weight is 1
SOURCE = (
    "Trained from scratch on emodb (Burkhardt et al. 2005; speakers 13 and 14 held out) and, as "
    "neutral speech, on synthetic voices of espeak-ng and flite."
)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How members are trained; chosen on speakers left out one by one."""

    statistic_epochs: int = 6
    statistic_rate: float = 2e-3
    course_epochs: int = 9
    course_rate: float = 5e-3


RECIPE = Recipe()


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
) -> tuple[NDArray[np.int64], Tensor, dict[str, SpeechEmotion]]:
    """What ensembles say of the speaker that they were not trained on.

    Returns:
        Indices [n] of the recordings of SPEAKERS, clean, noisy and by telephone, raw outputs
        [n, 9] for them, and the ensembles by the speaker that each was not trained on.
    """
    indices, outputs, models = [], [], {}
    tested = np.isin(examples.version, ["0", "noise", "telephone"])
    for speaker in SPEAKERS:
        model = train(
            examples, training_index(examples, speaker), seed=seed, config=config, recipe=recipe
        )
        models[speaker] = model
        index = np.flatnonzero(tested & (examples.speaker == speaker))
        indices.append(index)
        outputs.append(model.together(said_by(model, examples, index)))
        print(f"without {speaker}: recall {recall(outputs[-1], examples.label[index]):.3f}",
              flush=True)  # fmt: skip
    return np.concatenate(indices), torch.cat(outputs), models


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


def write(model: SpeechEmotion, temperature: float, path: Path) -> None:
    """A checkpoint in half precision."""
    save_checkpoint(
        path,
        {k: v.half() if v.is_floating_point() else v for k, v in model.state_dict().items()},
        format=FORMAT,
        config=asdict(replace(model.config, temperature=temperature)),
        source=SOURCE,
        licence="Apache-2.0",
    )


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
    parser.add_argument("--keep", type=Path, help="folder for the networks of --folds")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if not args.cache.is_file():
        make_cache(args.emodb, args.cache)
    examples = read_cache(args.cache)
    temperature = args.temperature or 1.0
    if args.folds:
        index, told, models = folds(examples, seed=args.seed)
        label = examples.label[index]
        clean = torch.from_numpy(examples.version[index] == "0")
        temperature = args.temperature or best_temperature(told[clean], label[clean])
        for speaker, model in models.items() if args.keep else ():
            args.keep.mkdir(parents=True, exist_ok=True)
            write(model, temperature, args.keep / f"{speaker}.safetensors")
        report: dict[str, object] = {"temperature": temperature, "classes": LETTERS}
        for version in ("0", "noise", "telephone"):
            of = torch.from_numpy(examples.version[index] == version)
            report[f"recall_{version}"] = round(recall(told[of], label[of]), 4)
        report["confusion"] = confusion(told[clean], label[clean])
        print(json.dumps(report))
        if args.report:
            args.report.write_text(json.dumps(report))
    write(train(examples, training_index(examples), seed=args.seed), temperature, args.out)


if __name__ == "__main__":
    main()
