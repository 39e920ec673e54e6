"""Words and voices in pairs, which the fusion learns from and is measured on.

Nobody says these words in this voice: a pair is a sentence out of one bank and a recording out of
another, of the same label or of two.

Shapes: N estimates of a bank, K clips of a bank, B pairs, M = 4 estimates of a pair in the order
of MODALITIES.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from ..models.emotion.circumplex import CLASS_POINTS, to_scores, to_valence_arousal
from ..models.emotion.fusion import FLOOR, MODALITIES
from ..models.types import EMOTIONS

CLASSES = len(EMOTIONS)
NEUTRAL, SURPRISED = EMOTIONS.index("neutral"), EMOTIONS.index("surprised")
# What both texts and recordings are labelled with, so that pairs can be made.
SHARED = tuple(
    EMOTIONS.index(n) for n in ("angry", "disgusted", "fearful", "happy", "neutral", "sad")
)
BLUR = 0.5  # noise on the logarithms of scores in training, which stands for other voices
BOLDNESS = 0.4  # octaves by which estimates are bolder or shyer in training
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
    clip: Tensor  # [N] int64, which sentence or recording it is of; those of one stand together

    def clips(self) -> tuple[Tensor, Tensor]:
        """The first estimate of each clip [K], and how many it has [K]."""
        count = torch.unique_consecutive(self.clip, return_counts=True)[1]
        return count.cumsum(0) - count, count

    def draw(self, labels: Tensor, chance: torch.Generator) -> Tensor:
        """A random clip of each label [B], [B], as a place in `clips`."""
        kind = self.label[self.clips()[0]]
        order = kind.argsort(stable=True)
        count = torch.bincount(kind, minlength=CLASSES)
        place = torch.rand(len(labels), generator=chance) * count[labels]
        return order[(count.cumsum(0) - count)[labels] + place.long()]

    def moment(self, clips: Tensor, chance: torch.Generator) -> Tensor:
        """A random estimate of each of some clips [B], [B]."""
        first, count = (one[clips] for one in self.clips())
        return first + (torch.rand(len(clips), generator=chance) * count).long()


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

    def judged(self) -> Tensor:
        """Whether it is known that words and voice agree or not, [B] bool.

        No voice is labelled as surprised, so what fits surprised words is not known.
        """
        audible = self.weight * (self.confidence > UNSURE)
        alone = audible[:, 1:3].amax(1) == 0
        return (self.read != SURPRISED) | alone | (audible[:, 0] == 0)


def simulated_banks(count: int, chance: torch.Generator) -> dict[str, Bank]:
    """Banks as of `read_banks`, made up: they err about as often as the real ones do.

    Args:
        count: Estimates in each bank, each a clip of its own.
        chance: Where randomness comes from.
    """
    banks = {}
    for kind, (right, timid) in SIMULATED.items():
        known = torch.tensor([*SHARED, SURPRISED] if kind == "text" else SHARED)
        label = known[torch.randint(len(known), (count,), generator=chance)]
        other = known[torch.randint(len(known), (count,), generator=chance)]
        wrong = torch.rand(count, generator=chance) > right
        shy = torch.rand(count, generator=chance) < timid
        said = torch.where(wrong, torch.where(shy, NEUTRAL, other), label)
        logits = torch.randn(count, CLASSES, generator=chance)
        logits[:, EMOTIONS.index("contemptuous")] = -9.0
        logits[torch.arange(count), said] += 1.5 + 1.5 * torch.rand(count, generator=chance)
        scores = (logits + (~wrong)[:, None] * 0.8 * logits).softmax(-1)
        points = to_valence_arousal(scores)
        banks[kind] = Bank(scores, points, scores.amax(-1), label, torch.arange(count))
    spread = torch.tensor([0.4, 0.2])  # arousal is heard better than valence
    voice = banks["speech"]
    noise = torch.randn(count, 2, generator=chance) * spread
    points = (torch.tensor(CLASS_POINTS)[voice.label] + noise).clamp(-1.0, 1.0)
    sure = 0.3 + 0.4 * torch.rand(count, generator=chance)
    banks["valence_arousal"] = Bank(to_scores(points), points, sure, voice.label, voice.clip)
    return banks


def read_banks(path: Path) -> dict[str, Bank]:
    """Banks "text", "speech" and "valence_arousal", the last two of the same recordings."""
    tensors = load_file(path)
    return {
        kind: Bank(*(tensors[f"{kind}.{name}"] for name in Bank.__annotations__))
        for kind in MODALITIES[:3]
    }


def choose(
    banks: dict[str, Bank], count: int, agreeing: float, chance: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Random sentences [B] and recordings [B], as places in their banks' `clips`.

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
    return banks["text"].draw(read, chance), banks["speech"].draw(heard, chance)


def paired(banks: dict[str, Bank], words: Tensor, voice: Tensor) -> Batch:
    """What was estimated of words [B] and of voices [B], which are indices into the banks."""
    index = {"text": words, "speech": voice, "valence_arousal": voice}
    told = []
    for field in ("scores", "valence_arousal", "confidence"):
        rows = [getattr(banks[kind], field)[chosen] for kind, chosen in index.items()]
        told.append(torch.stack([*rows, torch.zeros_like(rows[0])], 1))
    weight = torch.tensor([1.0, 1.0, 1.0, 0.0]).repeat(len(words), 1)
    return Batch(*told, weight, banks["text"].label[words], banks["speech"].label[voice])


def pairs(banks: dict[str, Bank], count: int, agreeing: float, chance: torch.Generator) -> Batch:
    """Estimates of random words and of a moment of a random voice; arguments as of `choose`."""
    sentence, recording = choose(banks, count, agreeing, chance)
    words, voice = (
        banks[kind].moment(clips, chance)
        for kind, clips in (("text", sentence), ("speech", recording))
    )
    return paired(banks, words, voice)


def surprises(banks: dict[str, Bank], count: int, chance: torch.Generator) -> Batch:
    """Surprised words in any voice; nobody knows how that sounds, so it teaches the label only."""
    shared = torch.tensor(SHARED)
    heard = shared[torch.randint(len(SHARED), (count,), generator=chance)]
    sentence = banks["text"].draw(torch.full((count,), SURPRISED), chance)
    voice = banks["speech"].moment(banks["speech"].draw(heard, chance), chance)
    return paired(banks, banks["text"].moment(sentence, chance), voice)


def joined(one: Batch, other: Batch) -> Batch:
    """Two batches as one."""
    return Batch(*(torch.cat(rows) for rows in zip(vars(one).values(), vars(other).values(),
                                                   strict=True)))  # fmt: skip


def harden(batch: Batch, chance: torch.Generator) -> Batch:
    """The same with estimates missing, weighted, blurred, bolder or shyer, and unable to judge."""
    shape = batch.weight.shape
    weight = batch.weight * (torch.rand(shape, generator=chance) > DROPOUT)
    uneven = torch.rand(shape[0], 1, generator=chance) < 0.3
    weight = weight * torch.where(uneven, 4.0 ** torch.randn(shape, generator=chance), 1.0)
    unable = torch.rand(shape, generator=chance) < 0.1
    bold = 2.0 ** (BOLDNESS * torch.randn(*shape, 1, generator=chance))
    logs = batch.scores.clamp_min(FLOOR).log()
    logs = bold * logs + BLUR * torch.randn(logs.shape, generator=chance)
    points = batch.valence_arousal
    points = points + 0.2 * BLUR * torch.randn(points.shape, generator=chance)
    return Batch(
        torch.where(unable[..., None], torch.eye(CLASSES)[NEUTRAL], logs.softmax(-1)),
        points.clamp(-1.0, 1.0).masked_fill(unable[..., None], 0.0),
        torch.where(unable, UNSURE * torch.rand(shape, generator=chance), batch.confidence),
        weight,
        batch.read,
        batch.heard,
    )
