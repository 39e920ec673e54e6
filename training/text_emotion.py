"""Train words → GoEmotions' 28 labels, the text model of stage 2.

    python -m synchrorama.training.text_emotion --data GOEMOTIONS --out FILE.safetensors
        [--epochs 7] [--seed 0] [--threads 1]

GOEMOTIONS holds original_train.tsv (text, label numbers, id). One sentence in ten is held out of
the training, and decides temperature and thresholds. The dev part is never read here.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from ..models.checkpoint import save_checkpoint
from ..models.emotion.text_model import (
    FORMAT,
    GROUPS,
    LABELS,
    Reader,
    TextEmotion,
    TextEmotionConfig,
    code,
    group_table,
    pack,
    phrases,
    tokens,
    unpack,
)

BATCH = 128
HELD_OUT = 0.1
FORGET = 0.08  # share of words read as if unknown, so that their pieces learn to stand in
SOURCE = (
    "Trained from scratch on the train part of GoEmotions (Demszky et al., ACL 2020, CC BY 4.0), "
    "a tenth of it held out for thresholds and temperature."
)


@dataclass(frozen=True, eq=False)
class Corpus:
    """Sentences and their labels."""

    texts: list[str]
    labels: Tensor  # [B, 28] of 0 and 1

    def part(self, indices: Sequence[int]) -> Corpus:
        """Some of the sentences."""
        return Corpus([self.texts[i] for i in indices], self.labels[list(indices)])

    @property
    def groups(self) -> Tensor:
        """Which groups each sentence has, [B, G] bool."""
        return self.labels @ group_table() > 0

    @property
    def targets(self) -> Tensor:
        """The labels as a distribution, [B, 28]."""
        return self.labels / self.labels.sum(1, keepdim=True)


def read_corpus(path: Path) -> Corpus:
    """A part of GoEmotions as published: text, comma-separated label numbers, id."""
    texts, rows = [], []
    for line in path.read_text(encoding="utf-8").splitlines():
        text, numbers, _ = line.split("\t")
        row = torch.zeros(len(LABELS))
        row[[int(number) for number in numbers.split(",")]] = 1.0
        texts.append(text)
        rows.append(row)
    return Corpus(texts, torch.stack(rows))


def split(count: int, seed: int = 0) -> tuple[list[int], list[int]]:
    """Which sentences train and which are held out; the same for every training seed."""
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed)).tolist()
    held = round(HELD_OUT * count)
    return order[held:], order[:held]


def vocabulary(texts: list[str], config: TextEmotionConfig) -> tuple[Tensor, Tensor]:
    """The commonest words and phrases as numbers, as many as the config has room for."""
    read = [tokens(text) for text in texts]
    words = Counter(word for row in read for word in row)
    runs = Counter(run for row in read for run in phrases(row))
    kept = [
        [code(text) for text, _ in counter.most_common(size)]
        for counter, size in ((words, config.words), (runs, config.phrases))
    ]
    for numbers, size in zip(kept, (config.words, config.phrases), strict=True):
        numbers += [-1] * (size - len(numbers))  # no text has a negative number
    return torch.tensor(kept[0]), torch.tensor(kept[1])


def fit(
    model: TextEmotion, corpus: Corpus, epochs: int, seed: int, rate: float = 3e-3
) -> list[float]:
    """Train; each member learns by itself. Returns the mean loss of each epoch."""
    chance = torch.Generator().manual_seed(seed)
    reader = Reader(model.vocabulary, model.known_phrases, model.config.pieces)
    ids, units, _ = reader.read(corpus.texts)
    length, bag = (ids[..., 1] > 0).sum(1), (units > 0).sum(1)
    targets = corpus.targets
    own = [p for name, p in model.named_parameters() if name.startswith("by_phrase")]
    rest = [p for name, p in model.named_parameters() if not name.startswith("by_phrase")]
    optimizer = torch.optim.AdamW(
        [{"params": rest, "lr": rate}, {"params": own, "lr": 3 * rate}], weight_decay=0.02
    )
    pools = -(-len(targets) // (50 * BATCH))
    steps = epochs * (-(-len(targets) // BATCH) + pools)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, [rate, 3 * rate], total_steps=steps + 1, pct_start=0.1
    )
    losses = []
    model.train().requires_grad_(True)
    for epoch in range(epochs):
        started, total = time.perf_counter(), 0.0
        order = torch.randperm(len(targets), generator=chance)
        batches = [  # of like length, so that little is padded
            batch
            for pool in order.split(50 * BATCH)
            for batch in pool[length[pool].argsort()].split(BATCH)
        ]
        for k in torch.randperm(len(batches), generator=chance).tolist():
            batch = batches[k]
            words = ids[batch, : max(int(length[batch].max()), 1)].clone()
            words[..., 0] *= torch.rand(words.shape[:2], generator=chance) > FORGET
            some = units[batch, : max(int(bag[batch].max()), 1)]
            some = some * (torch.rand(some.shape, generator=chance) > 0.3)
            told = model(words, some)  # [M, b, 28]
            loss = -(targets[batch] * told).sum(-1).mean(1).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += float(loss.detach())
        losses.append(total / len(batches))
        print(f"epoch {epoch}: {losses[-1]:.3f}, {time.perf_counter() - started:.0f} s", flush=True)
    model.train(False).requires_grad_(False)
    return losses


@torch.no_grad()
def log_probabilities(model: TextEmotion, texts: list[str]) -> Tensor:
    """The members' mean log-probability of each label, before any temperature, [B, 28]."""
    reader = Reader(model.vocabulary, model.known_phrases, model.config.pieces)
    out = []
    for start in range(0, len(texts), 256):
        ids, units, _ = reader.read(texts[start : start + 256])
        out.append(model(ids, units).mean(0))
    return torch.cat(out)


def group_f1(probability: Tensor, groups: Tensor, threshold: Tensor) -> Tensor:
    """F1 of each group [G] where those above the threshold are said to be there.

    Args:
        probability: [B, G].
        groups: [B, G] bool, the true ones.
        threshold: [G] or a number.
    """
    said = probability > threshold
    hits = (said & groups).sum(0).float()
    return 2.0 * hits / (said.sum(0) + groups.sum(0)).clamp_min(1)


def calibrate(model: TextEmotion, held: Corpus, prior: Tensor) -> TextEmotionConfig:
    """The config with temperature, thresholds and prior.

    The temperature makes the probability of the class that is reported an honest one: the least
    cross-entropy between it and whether the class is among the true ones.
    """
    logs, groups = log_probabilities(model, held.texts), held.groups

    def honesty(temperature: float) -> float:
        probability = (logs / temperature).softmax(1) @ group_table()
        top = (probability / prior.sqrt()).argmax(1, keepdim=True)
        sure = probability.gather(1, top).clamp(1e-4, 1 - 1e-4)
        right = groups.gather(1, top).float()
        return float(torch.nn.functional.binary_cross_entropy(sure, right))

    temperature = min((0.5 + 0.02 * i for i in range(60)), key=honesty)
    probability = (logs / temperature).softmax(1) @ group_table()
    grid = torch.linspace(0.02, 0.9, 89)
    scores = torch.stack([group_f1(probability, groups, value) for value in grid])
    return replace(
        model.config,
        temperature=round(temperature, 4),
        thresholds=tuple(round(float(t), 4) for t in grid[scores.argmax(0)]),
        prior=tuple(round(float(p), 5) for p in prior),
    )


def main() -> None:
    """Train and write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=7)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.random.default_generator.manual_seed(args.seed)

    corpus = read_corpus(args.data / "original_train.tsv")
    train, held = (corpus.part(indices) for indices in split(len(corpus.texts)))
    model = TextEmotion(TextEmotionConfig())
    words, runs = vocabulary(train.texts, model.config)
    model.vocabulary.copy_(words)
    model.known_phrases.copy_(runs)
    fit(model, train, args.epochs, args.seed)
    model.load_state_dict(unpack(pack(model.state_dict())))  # what is measured is what is saved
    model.config = calibrate(model, held, (train.targets @ group_table()).mean(0))

    logs = log_probabilities(model, held.texts) / model.config.temperature
    scores = group_f1(
        logs.softmax(1) @ group_table(), held.groups, torch.tensor(model.config.thresholds)
    )
    named = ", ".join(f"{g} {s:.3f}" for g, s in zip(GROUPS, scores.tolist(), strict=True))
    print(
        f"held out, where the thresholds come from: macro-F1 {float(scores.mean()):.3f} ({named})"
    )
    save_checkpoint(
        args.out,
        pack(model.state_dict()),
        format=FORMAT,
        config=model.config_dict(),
        source=SOURCE,
        licence="Apache-2.0",
    )


if __name__ == "__main__":
    main()
