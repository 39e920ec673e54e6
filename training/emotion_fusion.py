"""Train the fusion of emotion estimates, the last network of stage 2.

    python -m synchrorama.training.emotion_fusion --out FILE.safetensors [--banks FILE]
        [--steps 3000] [--seed 0]

FILE of --banks is what emotion_banks.py wrote: estimates of the shipped text and speech networks on
recordings and sentences that they were not trained on. Without it the estimates are simulated.
Prints what the fusion gains on the half of the banks that it was not trained on.

Shapes: N estimates of a bank, B pairs, M = 4 estimates of a pair in the order of MODALITIES.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from ..models.checkpoint import save_checkpoint
from ..models.emotion.circumplex import CLASS_POINTS, to_scores, to_valence_arousal
from ..models.emotion.fusion import (
    BUILTIN,
    FORMAT,
    MODALITIES,
    EmotionFusion,
    EmotionFusionConfig,
)
from ..models.types import EMOTIONS

CLASSES = len(EMOTIONS)
NEUTRAL = EMOTIONS.index("neutral")
# What both texts and recordings are labelled with, so that pairs can be made.
SHARED = tuple(
    EMOTIONS.index(n) for n in ("angry", "disgusted", "fearful", "happy", "neutral", "sad")
)
SOURCE = "Trained from scratch on pairs of estimates by the shipped text and speech networks."
DROPOUT = 0.3  # how often an estimate is missing in training
UNSURE = 0.05  # confidence of an estimate that could not judge
# Of a simulated estimate: how often it is right, and how often it says neutral when it is wrong.
SIMULATED = {"text": (0.62, 0.5), "speech": (0.70, 0.2)}


@dataclass(frozen=True, eq=False)
class Bank:
    """Estimates of one kind, with what they should have been."""

    scores: Tensor  # [N, 8]
    valence_arousal: Tensor  # [N, 2]
    confidence: Tensor  # [N]
    label: Tensor  # [N] int64, index into EMOTIONS
    group: Tensor  # [N] int64, 0 to train with, 1 held out

    def of(self, group: int) -> Bank:
        """The estimates of one group."""
        mask = self.group == group
        return Bank(*(value[mask] for value in vars(self).values()))

    def draw(self, labels: Tensor, chance: torch.Generator) -> Tensor:
        """The index of a random estimate of each label [B], [B]."""
        order = self.label.argsort()
        count = torch.bincount(self.label, minlength=CLASSES)
        first = count.cumsum(0) - count
        place = torch.rand(len(labels), generator=chance) * count[labels]
        return order[first[labels] + place.long()]


@dataclass(frozen=True, eq=False)
class Batch:
    """Estimates of one moment by several, and of what they were made."""

    scores: Tensor  # [B, M, 8]
    valence_arousal: Tensor  # [B, M, 2]
    confidence: Tensor  # [B, M]
    weight: Tensor  # [B, M]
    read: Tensor  # [B] int64, what the words were labelled with
    heard: Tensor  # [B] int64, what the voice was labelled with

    def target(self) -> tuple[Tensor, Tensor]:
        """What should come out [B, 8], and whether nothing contradicts it [B] bool.

        Words and voice count by their weights, an unsure one not at all; with nobody sure it is
        neutral.
        """
        audible = self.weight * (self.confidence > UNSURE)
        words, voice = audible[:, 0], audible[:, 1:3].amax(1)
        total = (words + voice).clamp_min(1e-9)
        labels = [nn.functional.one_hot(one, CLASSES).float() for one in (self.read, self.heard)]
        target = (words / total)[:, None] * labels[0] + (voice / total)[:, None] * labels[1]
        target[:, NEUTRAL] += (words + voice == 0).float()
        return target, (self.read == self.heard) | (words == 0) | (voice == 0)


def simulated_banks(count: int, chance: torch.Generator) -> dict[str, Bank]:
    """Banks as of `read_banks`, made up: they err about as often as the real ones do.

    Args:
        count: Estimates in each bank.
        chance: Where randomness comes from.
    """
    banks = {}
    for kind, (right, timid) in SIMULATED.items():
        label = torch.tensor(SHARED)[torch.randint(len(SHARED), (count,), generator=chance)]
        other = torch.tensor(SHARED)[torch.randint(len(SHARED), (count,), generator=chance)]
        wrong = torch.rand(count, generator=chance) > right
        shy = torch.rand(count, generator=chance) < timid
        said = torch.where(wrong, torch.where(shy, NEUTRAL, other), label)
        logits = torch.randn(count, CLASSES, generator=chance)
        logits[:, EMOTIONS.index("contemptuous")] = -9.0
        logits[torch.arange(count), said] += 1.5 + 1.5 * torch.rand(count, generator=chance)
        scores = (logits + (~wrong)[:, None] * 0.8 * logits).softmax(-1)
        points, group = to_valence_arousal(scores), torch.arange(count) % 2
        banks[kind] = Bank(scores, points, scores.amax(-1), label, group)
    spread = torch.tensor([0.4, 0.2])  # arousal is heard better than valence
    voice = banks["speech"]
    noise = torch.randn(count, 2, generator=chance) * spread
    points = (torch.tensor(CLASS_POINTS)[voice.label] + noise).clamp(-1.0, 1.0)
    sure = 0.3 + 0.4 * torch.rand(count, generator=chance)
    banks["valence_arousal"] = Bank(to_scores(points), points, sure, voice.label, voice.group)
    return banks


def read_banks(path: Path) -> dict[str, Bank]:
    """Banks "text", "speech" and "valence_arousal", the last two of the same recordings."""
    tensors = load_file(path)
    return {
        kind: Bank(*(tensors[f"{kind}.{name}"] for name in Bank.__annotations__))
        for kind in MODALITIES[:3]
    }


def pairs(banks: dict[str, Bank], count: int, agreeing: float, chance: torch.Generator) -> Batch:
    """Estimates of random words and of a random voice.

    Args:
        banks: As of `read_banks`.
        count: Pairs to make, B.
        agreeing: Share of pairs whose words and voice have the same label.
        chance: Where randomness comes from.
    """
    shared = torch.tensor(SHARED)
    place = torch.randint(len(SHARED), (count,), generator=chance)
    step = torch.randint(1, len(SHARED), (count,), generator=chance)
    step[torch.rand(count, generator=chance) < agreeing] = 0
    read, heard = shared[place], shared[(place + step) % len(SHARED)]
    words, voice = banks["text"].draw(read, chance), banks["speech"].draw(heard, chance)
    told = []
    for field in ("scores", "valence_arousal", "confidence"):
        index = {"text": words, "speech": voice, "valence_arousal": voice}
        rows = [getattr(banks[kind], field)[chosen] for kind, chosen in index.items()]
        told.append(torch.stack([*rows, torch.zeros_like(rows[0])], 1))
    weight = torch.tensor([1.0, 1.0, 1.0, 0.0]).repeat(count, 1)
    return Batch(*told, weight, read, heard)


def harden(batch: Batch, chance: torch.Generator) -> Batch:
    """The same with estimates missing, weighted and unable to judge."""
    shape = batch.weight.shape
    weight = batch.weight * (torch.rand(shape, generator=chance) > DROPOUT)
    uneven = torch.rand(shape[0], 1, generator=chance) < 0.3
    weight = weight * torch.where(uneven, 4.0 ** torch.randn(shape, generator=chance), 1.0)
    unable = torch.rand(shape, generator=chance) < 0.1
    return Batch(
        torch.where(unable[..., None], torch.eye(CLASSES)[NEUTRAL], batch.scores),
        batch.valence_arousal.masked_fill(unable[..., None], 0.0),
        torch.where(unable, UNSURE * torch.rand(shape, generator=chance), batch.confidence),
        weight,
        batch.read,
        batch.heard,
    )


def answer(model: EmotionFusion, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """What the fusion makes of pairs: scores [B, 8], points [B, 2], confidence [B]."""
    told = (batch.scores, batch.valence_arousal, batch.confidence)
    _, scores, points, sure = model(*(x.unsqueeze(2) for x in told), batch.weight)
    return scores[:, 0], points[:, 0], sure[:, 0]


def loss_of_pairs(model: EmotionFusion, batch: Batch) -> Tensor:
    """Errors of the label, of its point, and of the confidence as the odds of being right."""
    target, agree = batch.target()
    scores, points, sure = answer(model, batch)
    label = -(target * scores.clamp_min(1e-6).log()).sum(1).mean()
    place = (points - to_valence_arousal(target)).square().mean()
    right = agree & (scores.argmax(1) == target.argmax(1))
    anybody = (batch.weight * (batch.confidence > UNSURE)).amax(1) > 0
    odds = nn.functional.binary_cross_entropy(
        sure.clamp(1e-6, 1.0 - 1e-6), (right & anybody).float()
    )
    return label + 2.0 * place + odds


def loss_of_direction(model: EmotionFusion, count: int, chance: torch.Generator) -> Tensor:
    """How far Z_emo is from holding any mixture, point and confidence that it is given alone."""
    sharp = 0.5 + 4.0 * torch.rand(count, 1, generator=chance)
    scores = (sharp * torch.randn(count, CLASSES, generator=chance)).softmax(-1)
    scores[::2] = scores[::2] ** 3 / (scores[::2] ** 3).sum(-1, keepdim=True)
    free = torch.rand(count, 2, generator=chance) * 2.0 - 1.0
    points = torch.where(torch.arange(count)[:, None] % 3 > 0, to_valence_arousal(scores), free)
    sure = torch.rand(count, generator=chance)
    place = MODALITIES.index("direct")
    slots = [torch.zeros(count, len(MODALITIES), *x.shape[1:]) for x in (scores, points, sure)]
    for slot, value in zip(slots, (scores, points, sure), strict=True):
        slot[:, place] = value
    weight = torch.eye(len(MODALITIES))[place].repeat(count, 1)
    batch = Batch(*slots, weight, torch.zeros(0), torch.zeros(0))
    said, at, odds = answer(model, batch)
    kept = (scores * (scores.clamp_min(1e-6).log() - said.clamp_min(1e-6).log())).sum(1).mean()
    return kept + 4.0 * (at - points).square().mean() + (odds - sure).square().mean()


def train(
    banks: dict[str, Bank],
    *,
    steps: int,
    seed: int = 0,
    batch: int = 128,
    rate: float = 2e-3,
    config: EmotionFusionConfig = BUILTIN,
) -> EmotionFusion:
    """The trained fusion.

    Args:
        banks: What to learn from, as of `read_banks`.
        steps: Batches to learn.
        seed: Of everything random.
        batch: Pairs a batch.
        rate: The highest learning rate.
        config: Sizes of the network.
    """
    chance = torch.Generator().manual_seed(seed)
    torch.random.default_generator.manual_seed(seed)
    model = EmotionFusion(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps + 1)
    for step in range(steps):
        drawn = harden(pairs(banks, batch, 0.6, chance), chance)
        loss = loss_of_pairs(model, drawn) + loss_of_direction(model, batch // 2, chance)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 500 == 0 or step == steps - 1:
            print(f"step {step + 1}/{steps}  loss {float(loss.detach()):.4f}", flush=True)
    return model.train(False)


@torch.no_grad()
def measure(model: EmotionFusion, banks: dict[str, Bank], seed: int = 1) -> dict[str, float]:
    """Unweighted recall of each estimate and of the fusion, and what confidence tells.

    Args:
        model: The fusion.
        banks: Estimates that it was not trained on.
        seed: Of the pairs.
    """
    chance = torch.Generator().manual_seed(seed)
    same, mixed = pairs(banks, 6000, 1.0, chance), pairs(banks, 6000, 0.0, chance)
    figures = {kind: recall(same.scores[:, i], same.read) for i, kind in enumerate(MODALITIES[:3])}
    product = same.scores[:, :2].clamp_min(1e-3).log().sum(1)
    figures["product of text and speech"] = recall(product, same.read)
    scores, _, sure = answer(model, same)
    figures["fusion"] = recall(scores, same.read)
    figures["gain"] = figures["fusion"] - max(figures[kind] for kind in MODALITIES[:3])
    contradicted = answer(model, mixed)[2]
    figures["auc of confidence, agreeing against contradictory"] = auc(sure, contradicted)
    right = scores.argmax(1) == same.read
    figures["auc of confidence, right against wrong"] = auc(sure[right], sure[~right])
    figures["confidence of agreeing pairs"] = float(sure.mean())
    figures["confidence of contradictory pairs"] = float(contradicted.mean())
    return figures


def recall(scores: Tensor, label: Tensor) -> float:
    """Mean over the labels of the share that is right; scores [N, 8], label [N]."""
    right = (scores.argmax(1) == label).float()
    return float(torch.stack([right[label == one].mean() for one in label.unique()]).mean())


def auc(high: Tensor, low: Tensor) -> float:
    """The odds that a random one of `high` [N] is above a random one of `low` [K]."""
    rank = torch.cat([high, low]).double().argsort().argsort().double()[: len(high)] + 1.0
    return float((rank.sum() - len(high) * (len(high) + 1) / 2) / (len(high) * len(low)))


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--banks", type=Path)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    chance = torch.Generator().manual_seed(arguments.seed)
    banks = read_banks(arguments.banks) if arguments.banks else simulated_banks(8000, chance)
    learnt, held = ({kind: bank.of(g) for kind, bank in banks.items()} for g in (0, 1))
    model = train(learnt, steps=arguments.steps, seed=arguments.seed)
    for name, value in measure(model, held).items():
        print(f"{name}: {value:.3f}")
    tensors = {key: value.half() for key, value in model.state_dict().items()}
    save_checkpoint(
        arguments.out,
        tensors,
        format=FORMAT,
        config=model.config_dict(),
        source=SOURCE if arguments.banks else "Trained on simulated estimates.",
        licence="Apache-2.0",
    )


if __name__ == "__main__":
    main()
