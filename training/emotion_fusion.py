"""Train the fusion of emotion estimates, the last network of stage 2.

    python -m synchrorama.training.emotion_fusion --out FILE.safetensors [--banks FILE]
        [--steps 500] [--seed 0]

FILE of --banks is what emotion_banks.py wrote: estimates by text and speech networks of sentences
and recordings that they were not trained on, none of them of the dev part. Without it the
estimates are simulated. `python -m synchrorama.benchmarks.emotion_fusion` measures the result.

Shapes: B pairs, M = 4 estimates of a pair in the order of MODALITIES.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor, nn

from ..models.checkpoint import save_checkpoint
from ..models.emotion.circumplex import to_valence_arousal
from ..models.emotion.fusion import (
    BUILTIN,
    DOUBT,
    FLOOR,
    FORMAT,
    MODALITIES,
    EmotionFusion,
    EmotionFusionConfig,
)
from .emotion_pairs import (
    CLASSES,
    NEUTRAL,
    UNSURE,
    Bank,
    Batch,
    harden,
    joined,
    pairs,
    read_banks,
    simulated_banks,
    surprises,
)

SOURCE = "Trained from scratch on pairs of estimates by the shipped text and speech networks."
AGREEING = 0.6  # share of pairs in training
LABEL, FAITH = 0.25, 1.0  # how much labels count for the scores, and what the estimates say


def answer(model: EmotionFusion, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """What the fusion makes of pairs: scores [B, 8], points [B, 2], confidence [B]."""
    told = (batch.scores, batch.valence_arousal, batch.confidence)
    _, scores, points, sure = model(*(x.unsqueeze(2) for x in told), batch.weight)
    return scores[:, 0], points[:, 0], sure[:, 0]


def pooled(batch: Batch) -> Tensor:
    """What the estimates say by themselves [B, 8]: their product, words and voice once each.

    Estimates count by weight and confidence; nobody sure is neutral.
    """
    share = batch.weight / batch.weight.amax(1, keepdim=True).clamp_min(1e-9)
    counts = share * batch.confidence / (batch.confidence + DOUBT)  # [B, M]
    voice = counts[:, 1:3].sum(1, keepdim=True).clamp_min(1.0)
    counts = torch.cat([counts[:, :1], counts[:, 1:3] / voice, counts[:, 3:]], 1)
    pool = (counts.unsqueeze(-1) * batch.scores.clamp_min(FLOOR).log()).sum(1)
    nobody = counts.amax(1, keepdim=True) <= UNSURE
    neutral = torch.eye(CLASSES)[NEUTRAL]
    return torch.where(nobody, neutral, pool.softmax(-1))


def loss_of_pairs(model: EmotionFusion, batch: Batch) -> Tensor:
    """Errors of scores, of the label's point, and of the confidence as the odds of being right.

    Scores are to stay near what the estimates say together: the labels of a few actors may tip a
    balance, but not turn what all estimates call neutral into something else.
    """
    target, agree = batch.target()
    scores, points, sure = answer(model, batch)
    logs = scores.clamp_min(1e-6).log()
    label = -(target * logs).sum(1).mean()
    pool = pooled(batch)
    faith = (pool * (pool.clamp_min(1e-6).log() - logs)).sum(1).mean()
    place = (points - to_valence_arousal(target)).square().mean()
    right = agree & (scores.argmax(1) == target.argmax(1))
    anybody = (batch.weight * (batch.confidence > UNSURE)).amax(1) > 0
    judged = batch.judged()
    odds = nn.functional.binary_cross_entropy(
        sure[judged].clamp(1e-6, 1.0 - 1e-6), (right & anybody)[judged].float()
    )
    return LABEL * label + FAITH * faith + 2.0 * place + odds


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
    batch: int = 256,
    rate: float = 2e-3,
    decay: float = 0.3,
    config: EmotionFusionConfig = BUILTIN,
) -> EmotionFusion:
    """The trained fusion.

    Args:
        banks: What to learn from, as of `read_banks`.
        steps: Batches to learn.
        seed: Of everything random.
        batch: Pairs a batch.
        rate: The highest learning rate.
        decay: Weight decay.
        config: Sizes of the network.
    """
    chance = torch.Generator().manual_seed(seed)
    torch.random.default_generator.manual_seed(seed)
    model = EmotionFusion(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps + 1)
    for step in range(steps):
        drawn = joined(pairs(banks, batch, AGREEING, chance), surprises(banks, batch // 12, chance))
        drawn = harden(drawn, chance)
        loss = loss_of_pairs(model, drawn) + loss_of_direction(model, batch // 4, chance)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 500 == 0 or step == steps - 1:
            print(f"step {step + 1}/{steps}  loss {float(loss.detach()):.4f}", flush=True)
    return model.train(False)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--banks", type=Path)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    chance = torch.Generator().manual_seed(arguments.seed)
    banks = read_banks(arguments.banks) if arguments.banks else simulated_banks(8000, chance)
    model = train(banks, steps=arguments.steps, seed=arguments.seed)
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
