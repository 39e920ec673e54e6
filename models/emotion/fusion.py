"""One emotion out of several estimates, and the embedding Z_emo.

Shapes: B clips, M estimates in the order of MODALITIES, T video frames, W width of the network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path

import torch
from torch import Tensor, nn

from ..checkpoint import WEIGHTS, fill_module, load_checkpoint
from ..types import EMOTIONS, Emotion
from .disagreement import disagreements

FORMAT = "synchrorama.emotion_fusion"
# Where an estimate comes from; "direct" is one that is to be taken as it is.
MODALITIES: tuple[str, ...] = ("text", "speech", "valence_arousal", "direct")
NEUTRAL = EMOTIONS.index("neutral")
EMBEDDING = 256  # length of Z_emo, fixed by the type Emotion
FLOOR = 1e-3  # scores below are all the same to the network
DOUBT = 0.1  # confidence at which an estimate counts half


@dataclass(frozen=True, kw_only=True)
class EmotionFusionConfig:
    """Sizes of the network."""

    width: int = 48  # channels of a token
    heads: int = 4  # of the attention, a divisor of the width
    layers: int = 2  # times that the estimates look at each other

    def __post_init__(self) -> None:
        if min(self.width, self.heads, self.layers) < 1 or self.width % self.heads:
            raise ValueError(
                f"EmotionFusionConfig has width {self.width}, {self.heads} heads and "
                f"{self.layers} layers. Use at least 1 of each, and a width that the heads divide."
            )


TINY = EmotionFusionConfig(width=8, heads=2, layers=1)
BUILTIN = EmotionFusionConfig()


class Layer(nn.Module):
    """Each estimate looks at the others, then thinks for itself."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.think = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """[N, M, W] and how much each estimate is heard [N, M], added to logits → [N, M, W]."""
        count, places, width = x.shape
        split = (count, places, 3, self.heads, width // self.heads)
        q, k, v = self.qkv(self.norm(x)).view(split).permute(2, 0, 3, 1, 4)  # [N, heads, M, d]
        logits = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5 + bias[:, None, None]
        heard = (logits.softmax(-1) @ v).transpose(1, 2).reshape(x.shape)
        x = x + self.out(heard)
        out: Tensor = x + self.think(x)
        return out


class EmotionFusion(nn.Module):
    """A small transformer over the estimates of one frame, read out by one attention query.

    Beside it each estimate is corrected for how it errs, the corrected ones are multiplied, and
    for each two of them the odds that they mean the same class are told. The embedding Z_emo is
    made of all that; scores, valence, arousal and confidence are read back from it by one linear
    map each, so it holds all of them.

    Source: SynchroRaMa (arXiv 2509.19965), its multi-modal emotion embedding; the paper gives no
    sizes.
    """

    def __init__(self, config: EmotionFusionConfig = BUILTIN) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.stem = nn.Linear(2 * len(EMOTIONS) + 3, width)
        self.place = nn.Parameter(torch.randn(len(MODALITIES), width) * 0.5)
        self.layers = nn.ModuleList(Layer(width, config.heads) for _ in range(config.layers))
        self.norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, 1)
        classes, places = len(EMOTIONS), len(MODALITIES)
        self.correction = nn.Parameter(torch.zeros(places, classes + 3, classes))
        compared = places * (places - 1) // 2
        self.embedding = nn.Sequential(
            nn.Linear(width + classes + compared + places, 2 * width),
            nn.GELU(),
            nn.Linear(2 * width, EMBEDDING),
        )
        self.to_scores = nn.Linear(EMBEDDING, len(EMOTIONS))
        self.to_valence_arousal = nn.Linear(EMBEDDING, 2)
        self.to_trust = nn.Linear(EMBEDDING, 1)

    @classmethod
    def from_checkpoint(cls, path: Path = WEIGHTS / "emotion_fusion.safetensors") -> EmotionFusion:
        """The network with trained weights, on the CPU, for inference.

        Raises:
            CheckpointError: The file is missing, cut short, or of another kind.
        """
        tensors, config = load_checkpoint(path, FORMAT)
        model = cls(EmotionFusionConfig(**config))
        fill_module(model, tensors, path.name)
        return model

    def config_dict(self) -> dict[str, object]:
        """The config as plain values for the checkpoint's header."""
        return asdict(self.config)

    def forward(
        self, scores: Tensor, valence_arousal: Tensor, confidence: Tensor, weight: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Embedding [B, T, 256], scores [B, T, 8], valence–arousal [B, T, 2], confidence [B, T].

        An estimate of weight 0 is cut out before anything is computed, whatever it holds. Without
        any estimate the answer is neutral with confidence 0. The answer is never more confident
        than all estimates together, 1 - Π (1 - confidence).

        Args:
            scores: [B, M, T, 8], rows sum to 1; M up to 4, missing ones at the end count as 0.
            valence_arousal: [B, M, T, 2] -1..1.
            confidence: [B, M, T] 0..1.
            weight: [B, M], 0 or more; only its ratios count.
        """
        batch, given, frames = scores.shape[:3]
        places = len(MODALITIES)
        told = torch.cat([scores, valence_arousal, confidence.unsqueeze(-1)], -1)
        told = nn.functional.pad(told, (0, 0, 0, 0, 0, places - given))  # [B, 4, T, 11]
        weight = nn.functional.pad(weight, (0, places - given))  # [B, 4]
        absent = weight <= 0
        told = told.masked_fill(absent[:, :, None, None], 0.0)
        told = told.transpose(1, 2).reshape(batch * frames, places, -1)  # [B T, 4, 11]
        weight = weight.repeat_interleave(frames, 0)
        absent = weight <= 0
        sure = told[..., -1].clamp(0.0, 1.0)  # [B T, 4]

        logs = told[..., : len(EMOTIONS)].clamp_min(FLOOR).log()  # [B T, 4, 8]
        x = self.stem(torch.cat([told, logs / 3.0 + 1.0], -1)) + self.place
        heard = (weight * (sure + 0.01)).clamp_min(1e-12).log()
        nobody = absent.all(1)
        heard = heard.masked_fill(absent & ~nobody[:, None], -torch.inf)
        for layer in self.layers:
            x = layer(x, heard)
        x = self.norm(x)
        share = (self.query(x).squeeze(-1) + heard).softmax(-1)  # [B T, 4]
        counts = weight / weight.amax(1, keepdim=True).clamp_min(1e-12) * sure / (sure + DOUBT)
        together = self._together(logs, told[..., len(EMOTIONS) : -1], counts)
        embedding = self.embedding(torch.cat([(share.unsqueeze(-1) * x).sum(1), together], 1))
        embedding = embedding.masked_fill(nobody[:, None], 0.0)

        neutral = nn.functional.one_hot(torch.tensor(NEUTRAL), len(EMOTIONS)).to(embedding)
        fused = self.to_scores(embedding).softmax(-1)
        fused = torch.where(nobody[:, None], neutral, fused)
        point = self.to_valence_arousal(embedding).tanh().masked_fill(nobody[:, None], 0.0)
        ceiling = 1.0 - (1.0 - sure).prod(1)
        trust = torch.minimum(ceiling, self.to_trust(embedding).squeeze(-1).sigmoid())
        shape = (batch, frames)
        return (
            embedding.view(*shape, EMBEDDING),
            fused.view(*shape, len(EMOTIONS)),
            point.view(*shape, 2),
            trust.view(shape),
        )

    def _together(self, logs: Tensor, points: Tensor, counts: Tensor) -> Tensor:
        """What estimates say together [N, 18]: their product, whether two agree, who counts.

        Args:
            logs: [N, 4, 8] logarithms of scores.
            points: [N, 4, 2] valence and arousal.
            counts: [N, 4] 0..1 how much each counts, 0 where there is none.
        """
        told = torch.cat([logs / 3.0 + 1.0, points, torch.ones_like(points[..., :1])], -1)
        evidence = logs + torch.einsum("nmi,mij->nmj", told, self.correction)  # [N, 4, 8]
        product = (counts.unsqueeze(-1) * evidence).sum(1).log_softmax(-1)  # [N, 8]
        odds = evidence.softmax(-1)
        same = [
            torch.minimum(counts[:, i], counts[:, j])
            * (1.0 + (odds[:, i] * odds[:, j]).sum(1).clamp_min(FLOOR).log() / 2.0)
            for i, j in combinations(range(len(MODALITIES)), 2)
        ]
        return torch.cat([product / 3.0 + 1.0, torch.stack(same, 1), counts], 1)


@torch.no_grad()
def embed(
    model: EmotionFusion, scores: Tensor, valence_arousal: Tensor, confidence: Tensor, fps: float
) -> Emotion:
    """One estimate as it is, with the embedding Z_emo that stands for it.

    Args:
        model: The fusion, on any device.
        scores: [T, 8] in the order of EMOTIONS, rows sum to 1.
        valence_arousal: [T, 2] -1..1.
        confidence: [T] 0..1.
        fps: Frames a second.
    """
    device = next(model.parameters()).device
    place = MODALITIES.index("direct")
    told = [t.detach().to(device).float() for t in (scores, valence_arousal, confidence)]
    slots = [t.new_zeros(1, len(MODALITIES), *t.shape) for t in told]
    for slot, value in zip(slots, told, strict=True):
        slot[0, place] = value
    weight = torch.zeros(1, len(MODALITIES), device=device)
    weight[0, place] = 1.0
    embedding = model(*slots, weight)[0][0]
    return Emotion(
        scores=told[0].cpu(),
        valence_arousal=told[1].cpu(),
        confidence=told[2].cpu(),
        embedding=embedding.float().cpu(),
        fps=fps,
    )


@torch.no_grad()
def fuse(
    model: EmotionFusion, emotions: Sequence[Emotion | None], weights: Sequence[float]
) -> tuple[Emotion, str]:
    """One emotion out of several, and what they disagree on, in words.

    Args:
        model: The fusion, on any device.
        emotions: Estimates in the order of MODALITIES, None where there is none.
        weights: One for each, 0 or more; 0 is the same as None, only their ratios count.

    Raises:
        ValueError: No estimate at all, a weight below 0 or not finite, or estimates of different
            length or frame rate.
    """
    _check(emotions, weights)
    first = next(emotion for emotion in emotions if emotion is not None)
    frames = first.scores.shape[0]
    device = next(model.parameters()).device
    used = [
        emotion if weight > 0 else None for emotion, weight in zip(emotions, weights, strict=True)
    ]
    scores = torch.zeros(1, len(MODALITIES), frames, len(EMOTIONS), device=device)
    points = torch.zeros(1, len(MODALITIES), frames, 2, device=device)
    sure = torch.zeros(1, len(MODALITIES), frames, device=device)
    weight = torch.zeros(1, len(MODALITIES), device=device)
    for place, emotion in enumerate(used):
        if emotion is not None:
            scores[0, place] = emotion.scores
            points[0, place] = emotion.valence_arousal
            sure[0, place] = emotion.confidence
            weight[0, place] = weights[place]
    embedding, fused, point, confidence = (
        out[0].float().cpu() for out in model(scores, points, sure, weight)
    )
    emotion = Emotion(
        scores=fused,
        valence_arousal=point,
        confidence=confidence,
        embedding=embedding,
        fps=first.fps,
    )
    named = {MODALITIES[i]: one for i, one in enumerate(used) if one is not None}
    return emotion, disagreements(named)


def _check(emotions: Sequence[Emotion | None], weights: Sequence[float]) -> None:
    given = [
        (name, emotion)
        for name, emotion in zip(MODALITIES, emotions, strict=False)
        if emotion is not None
    ]
    if not given:
        raise ValueError(
            "No emotion is connected. Connect at least one of 'text', 'speech' and "
            "'valence_arousal', or use the node Direct Emotion."
        )
    for name, weight in zip(MODALITIES, weights, strict=False):
        if not 0.0 <= weight < float("inf"):
            raise ValueError(
                f"'{name}_weight' is {weight:g}. Use 0, which leaves it out, or a number above 0."
            )
    name, first = given[0]
    for other, emotion in given[1:]:
        if emotion.fps != first.fps or emotion.scores.shape[0] != first.scores.shape[0]:
            raise ValueError(
                f"'{name}' has {first.scores.shape[0]} frames at {first.fps:g} fps, '{other}' has "
                f"{emotion.scores.shape[0]} at {emotion.fps:g} fps. Make both from the same audio "
                "and with the same 'fps'."
            )
