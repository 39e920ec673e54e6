"""Train the renderer on shards of render_data, on a CPU or a GPU.

    python -m synchrorama.training.render --data FOLDER [FOLDER ...] --out FOLDER
        [--steps 20000] [--rate 1e-3] [--frames 4] [--batch 3] [--adversary 0] [--every 500]
        [--seed 0] [--device cuda] [--hold-out NAME ...]

A batch is of one folder and each folder is as likely, which sets their shares. OUT gets state.pt
(to go on after an interruption, start the same command again), a running mean of the weights in
weights.safetensors, and log.jsonl. Clips named by --hold-out are never trained on.

Source of the formulation: rectified flow (arXiv 2209.03003) whose network says the clean latents;
it starts as an exact copy of the motion frames and learns corrections.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..models.checkpoint import save_checkpoint
from ..models.render.codec import PixelUnshuffle
from ..models.render.config import BUILTIN, RendererConfig
from ..models.render.spatial import Banks, Cache
from ..models.render.unet import Conditions, UNet
from .render_data import Example, read_shard

FORMAT = "synchrorama.renderer"
SOURCE = "Trained from scratch on tracked clips; see the model card."


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How to train."""

    steps: int = 20000
    rate: float = 1e-3  # of AdamW, after the warm-up
    fall: int = 20000  # steps in which the rate falls to a fiftieth
    warm_up: int = 200  # steps
    side: int = 64  # px of the width of the window that is trained on; it is 3/4 as high
    frames: int = 4  # of an example that are taken
    batch: int = 3  # windows, of one clip each
    mouths: float = 1.0  # how often the window lies on the mouth; else on an eye
    noise: tuple[float, float] = (0.25, 0.5)  # share of noise at which sampling starts
    teach: float = 0.1  # how often a state of the way is made from the truth
    own: float = 0.25  # how often from the network's own first answer; else it is the first state
    square: float = 4.0  # weight of the squared difference, which large faults make up
    gradient: float = 0.25  # weight of the difference of neighbouring pixels
    grain: float = 0.3  # weight of the difference of pooled gradients, which blur cannot win
    still: float = 0.2  # weight of changes where nothing is to change
    adversary: float = 0.0  # weight of a discriminator of patches
    adversary_from: int = 1000  # step
    drop: float = 0.1  # how often the reference is left out
    mean: float = 0.995  # of the running mean of the weights
    every: int = 500  # steps between states on disk
    seed: int = 0


@dataclass(frozen=True, eq=False, kw_only=True)
class Spot:
    """A window of an example, on a mouth or an eye: what the network is trained on."""

    reference: Tensor  # [1, 3, S, S] 0..1
    motion: Tensor  # [F, 3, S, S]
    target: Tensor  # [F, 3, S, S]
    share: Tensor  # [F, 1, S, S] how much of the network's answer is taken
    emotion: Tensor | None  # [F, 256]
    speech: Tensor | None  # [F, L, M]


def spot_of(example: Example, config: TrainingConfig, generator: torch.Generator) -> Spot:
    """A window at a random place near a mouth or an eye, in random light, perhaps mirrored."""

    def draw(low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=generator))

    frames = min(config.frames, len(example.target))
    start = int(draw(0, len(example.target) - frames + 0.999))
    part = slice(start, start + frames)
    size = example.target.shape[1]
    side = min(config.side, size)
    middles = middles_of(example.weight[start, ..., 0])
    which = 0 if draw(0, 1) < config.mouths else int(draw(1, 2.999))
    middle = middles[min(which, len(middles) - 1)]
    slack = side / 8
    sides = (side * 3 // 4, side)
    top, left = (
        min(max(round(float(m) - one / 2 + draw(-slack, slack)), 0), size - one)
        for m, one in zip(middle, sides, strict=True)
    )
    flip = draw(0, 1) < 0.5
    gain = torch.tensor([draw(0.85, 1.15) for _ in range(3)]) * draw(0.7, 1.2)
    power = draw(0.8, 1.25)

    def cut(pictures: Tensor) -> Tensor:
        out = (
            pictures[:, top : top + sides[0], left : left + side].permute(0, 3, 1, 2).float() / 255
        )
        return out.flip(3) if flip else out

    def lit(pictures: Tensor) -> Tensor:
        return (cut(pictures).pow(power) * gain[:, None, None]).clamp(0, 1)

    share = cut(example.weight[part])[:, :1]
    return Spot(
        reference=lit(example.reference),
        motion=lit(example.motion[part]),
        target=lit(example.target[part]),
        share=F.avg_pool2d(F.avg_pool2d(share, 5, 1, 2), 5, 1, 2),
        emotion=None if example.emotion is None else example.emotion[part],
        speech=None if example.speech is None else example.speech[part],
    )


def middles_of(weight: Tensor) -> list[Tensor]:
    """Middles (row, column) of the boxes in a weight [H, W]: the mouth's, then the eyes'.

    The mouth is the lowest run of rows that hold anything, the eyes are what is above it.
    """
    rows = weight.any(1).nonzero()[:, 0]
    if not len(rows):
        half = torch.tensor(weight.shape) / 2
        return [half, half, half]
    breaks = (rows.diff() > 1).nonzero()[:, 0]
    first = int(rows[breaks[-1] + 1]) if len(breaks) else int(rows[0])
    middles = []
    mouth = weight.clone()
    mouth[:first] = 0
    middles.append(mouth.nonzero().float().mean(0))
    above = weight.clone()
    above[first:] = 0
    if bool(above.any()):
        columns = above.nonzero()[:, 1].float()
        for one in (
            above.nonzero()[columns <= columns.mean()],
            above.nonzero()[columns >= columns.mean()],
        ):
            middles.append(one.float().mean(0))
    return middles


def batched(spots: Sequence[Spot]) -> Spot:
    """Windows one after the other, all with the frames of the longest; a picture stands still."""
    frames = max(len(one.target) for one in spots)

    def long(signal: Tensor) -> Tensor:
        at = torch.arange(frames).clamp(max=len(signal) - 1)
        return signal[at]

    def all_of(field: str) -> Tensor | None:
        signals = [getattr(one, field) for one in spots]
        if any(signal is None for signal in signals):
            return None
        return torch.cat([long(signal) for signal in signals])

    pictures = {
        field: torch.cat([long(getattr(one, field)) for one in spots])
        for field in ("motion", "target", "share")
    }
    return Spot(
        reference=torch.cat([one.reference for one in spots]),
        **pictures,
        emotion=all_of("emotion"),
        speech=all_of("speech"),
    )


def caches(network: UNet, references: Tensor, frames: int) -> Cache:
    """The references [B, C, H, W] of B clips of as many frames, as one cache."""
    banks = network.read(references)
    rows = [
        network.cache(
            Banks(
                attention=tuple(one[i : i + 1] for one in banks.attention),
                plain=tuple(one[i : i + 1] for one in banks.plain),
            )
        )
        for i in range(len(references))
    ]
    pairs = zip(*(row.keys_values for row in rows), strict=True)
    joined = (
        tuple(torch.cat([pair[k].expand(frames, -1, -1) for pair in layer]) for k in (0, 1))
        for layer in pairs
    )
    return Cache(keys_values=tuple((key, value) for key, value in joined), banks=rows[0].banks)


def spot_loss(
    network: UNet,
    codec: PixelUnshuffle,
    spot: Spot,
    config: TrainingConfig,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Loss of windows of B clips of F frames at one random state of the way, and what was made.

    A state is what a sampler meets that starts from the motion frames at part noise: between its
    start and an answer, with what is left of the noise. The answer is the truth, or the network's
    own; the start knows nothing of the truth.

    Returns:
        A scalar and [B · F, 3, S, S], not clamped, with changes in the share alone.
    """
    device = next(network.parameters()).device
    reference, motion, target, share = (
        one.to(device) for one in (spot.reference, spot.motion, spot.target, spot.share)
    )
    frames = len(motion) // len(reference)

    def draw(low: float = 0.0, high: float = 1.0) -> float:
        return low + (high - low) * float(torch.rand((), generator=generator))

    clean, start = codec.encode(target), codec.encode(motion)
    noise = torch.randn(clean.shape, generator=generator).to(device)
    has_reference = draw() >= config.drop
    given = Conditions(
        motion=start,
        reference=caches(network, codec.encode(reference), frames) if has_reference else None,
        emotion=None if spot.emotion is None else spot.emotion.to(device),
        speech=None if spot.speech is None else spot.speech.to(device),
    )

    def ask(x: Tensor, level: float) -> Tensor:
        return network(x, torch.full((len(x),), 1000 * level, device=device), given, frames)

    first, kind = draw(*config.noise), draw()
    left = 1.0 if kind > config.teach + config.own else (1 + int(draw(0, 2.999))) / 4
    answer = clean
    if kind < config.teach:
        first = draw(config.noise[0], 1.0)
    elif left < 1:
        with torch.no_grad():
            answer = ask((1 - first) * start + first * noise, first)
    level = first * left
    state = (1 - left) * answer + left * (1 - first) * start + level * noise
    said = F.pixel_shuffle(ask(state, level), codec.downscale) / 2 + 0.5
    made = motion + share * (said - motion)  # not clamped, so that it can learn
    loss = picture_loss(made, target, share.expand_as(made), config.gradient, config.grain)
    off = ((made - target).square() * share).sum() / (3 * share.sum()).clamp(min=1e-6)
    astray = ((said - motion).abs() * (1 - share)).mean()
    return loss + config.square * off + config.still * astray, made


def picture_loss(
    picture: Tensor, target: Tensor, weight: Tensor, gradient: float, grain: float = 0.0
) -> Tensor:
    """Weighted absolute difference of [N, 3, H, W] pictures, and of their gradients.

    Args:
        picture: What was made.
        target: What it should be.
        weight: Of each pixel.
        gradient: Weight of the gradients' difference at each pixel.
        grain: Weight of the difference of how much gradient there is around a pixel, wherever it
            lies: blur loses this, and a detail that is a pixel off does not.
    """
    total = weight.sum().clamp(min=1e-6)
    loss = ((picture - target).abs() * weight).sum() / total
    for _ in range(2):
        for axis in (2, 3):
            ours, truth = picture.diff(dim=axis), target.diff(dim=axis)
            at = weight.narrow(axis, 1, weight.shape[axis] - 1)
            loss = loss + gradient * ((ours - truth).abs() * at).sum() / total
            if grain:
                much = F.avg_pool2d(ours.abs(), 7, 2) - F.avg_pool2d(truth.abs(), 7, 2)
                near = F.avg_pool2d(at, 7, 2)
                loss = loss + grain * (much.abs() * near).sum() / near.sum().clamp(min=1e-6)
        if not grain:
            break
        picture, target, weight = (F.avg_pool2d(one, 2) for one in (picture, target, weight))
        total = weight.sum().clamp(min=1e-6)
    return loss


class Adversary(nn.Module):
    """Tells windows of pictures from windows of made ones, patch by patch, beside motion frames."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        norm = nn.utils.parametrizations.spectral_norm
        self.layers = nn.Sequential(
            norm(nn.Conv2d(6, width, 4, 2, 1)),
            nn.LeakyReLU(0.2),
            norm(nn.Conv2d(width, 2 * width, 4, 2, 1)),
            nn.LeakyReLU(0.2),
            norm(nn.Conv2d(2 * width, 3 * width, 3, 1, 1)),
            nn.LeakyReLU(0.2),
            norm(nn.Conv2d(3 * width, 1, 3, 1, 1)),
        )

    def forward(self, picture: Tensor, motion: Tensor) -> Tensor:
        """[N, 3, S, S] twice → scores [N, 1, S / 4, S / 4]."""
        out: Tensor = self.layers(torch.cat((picture, motion), 1) * 2 - 1)
        return out


def examples_in(shards: Sequence[Path], held_out: set[str]) -> list[list[Example]]:
    """All examples of shards but those of held-out clips, in memory, a list for each folder.

    Raises:
        ValueError: There is nothing to train on.
    """
    found: dict[Path, list[Example]] = {}
    for path in shards:
        kept = [one for one in read_shard(path) if one.clip not in held_out]
        found.setdefault(path.parent, []).extend(kept)
    folders = [examples for examples in found.values() if examples]
    if not folders:
        raise ValueError("No example is left to train on. Hold out fewer clips.")
    return folders


def train(
    renderer: RendererConfig,
    config: TrainingConfig,
    shards: Sequence[Path],
    out: Path,
    *,
    device: torch.device,
    held_out: frozenset[str] = frozenset(),
) -> UNet:
    """Train, or go on with what `out` holds; the network with the last weights, not the mean."""
    out.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(config.seed)
        network, adversary = UNet(renderer.denoiser), Adversary()
    network.to(device)
    adversary.to(device)
    codec = PixelUnshuffle(renderer.downscale)
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=config.rate, weight_decay=0.01, fused=True
    )
    opponent = torch.optim.AdamW(adversary.parameters(), lr=config.rate, betas=(0.5, 0.99))
    parts = {
        "network": network,
        "optimiser": optimiser,
        "adversary": adversary,
        "opponent": opponent,
    }
    mean = {k: v.detach().clone() for k, v in network.state_dict().items()}
    generator = torch.Generator().manual_seed(config.seed)
    first = 0
    if (state := out / "state.pt").is_file():
        saved = torch.load(state, map_location=device, weights_only=True)
        for name, one in parts.items():
            one.load_state_dict(saved[name])
        mean, first = saved["mean"], saved["step"]
        generator.set_state(saved["generator"].cpu())
    folders = examples_in(shards, set(held_out))
    began = time.monotonic()
    sums: dict[str, float] = {}
    for step in range(first, config.steps):
        rest = 0.02 + 0.98 * (0.5 + 0.5 * math.cos(math.pi * min(step / config.fall, 1.0)))
        for group in (*optimiser.param_groups, *opponent.param_groups):
            group["lr"] = config.rate * min(1.0, (step + 1) / config.warm_up) * rest
        examples = folders[int(torch.randint(len(folders), (), generator=generator))]
        count = config.batch * max(config.frames // len(examples[0].target), 1)  # more pictures
        chosen = torch.randint(len(examples), (count,), generator=generator).tolist()
        spot = batched([spot_of(examples[i], config, generator) for i in chosen])
        loss, made = spot_loss(network, codec, spot, config, generator)
        sums["loss"] = sums.get("loss", 0.0) + float(loss.detach())
        if config.adversary and step >= config.adversary_from:
            motion, target = spot.motion.to(device), spot.target.to(device)
            share = F.avg_pool2d(spot.share.to(device), 4)
            adversary.requires_grad_(False)
            against = -(adversary(made, motion) * share).sum() / share.sum().clamp(min=1e-6)
            loss = loss + config.adversary * against
            adversary.requires_grad_(True)
            real, fake = adversary(target, motion), adversary(made.detach(), motion)
            told = ((1 - real).relu() + (1 + fake).relu()) * share
            verdict = told.sum() / share.sum().clamp(min=1e-6)
            opponent.zero_grad()
            verdict.backward()
            opponent.step()
            sums["verdict"] = sums.get("verdict", 0.0) + float(verdict.detach())
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        keep = min(config.mean, (step + 1) / (step + 10))  # the first weights are soon forgotten
        torch._foreach_lerp_(list(mean.values()), list(network.state_dict().values()), 1 - keep)
        if (step + 1) % config.every == 0 or step + 1 == config.steps:
            since = step % config.every + 1
            record = {
                "step": step + 1,
                **{name: one / since for name, one in sums.items()},
                "seconds": round(time.monotonic() - began, 1),
            }
            with (out / "log.jsonl").open("a", encoding="utf-8") as log:
                log.write(json.dumps(record) + "\n")
            sums = {}
            now = {name: one.state_dict() for name, one in parts.items()}
            _save(out, renderer, mean, now, step + 1, generator)
    return network


def _save(
    out: Path,
    renderer: RendererConfig,
    mean: dict[str, Tensor],
    parts: dict[str, Any],
    step: int,
    generator: torch.Generator,
) -> None:
    state = {**parts, "mean": mean, "step": step, "generator": generator.get_state()}
    torch.save(state, out / "state.part")
    (out / "state.part").replace(out / "state.pt")  # an interruption leaves the old one whole
    half = {f"denoiser.{k}": v.half() for k, v in mean.items()}
    save_checkpoint(
        out / "weights.safetensors",
        half,
        format=FORMAT,
        config=renderer.to_json(),
        source=SOURCE,
        licence="Apache-2.0",
    )


def main() -> None:
    """Train the built-in renderer."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=TrainingConfig.steps)
    parser.add_argument("--rate", type=float, default=TrainingConfig.rate)
    parser.add_argument("--frames", type=int, default=TrainingConfig.frames)
    parser.add_argument("--batch", type=int, default=TrainingConfig.batch)
    parser.add_argument("--adversary", type=float, default=TrainingConfig.adversary)
    parser.add_argument("--every", type=int, default=TrainingConfig.every)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--hold-out", nargs="*", default=())
    args = parser.parse_args()
    config = TrainingConfig(
        steps=args.steps,
        fall=args.steps,
        rate=args.rate,
        frames=args.frames,
        batch=args.batch,
        adversary=args.adversary,
        every=args.every,
        seed=args.seed,
    )
    print(config)
    train(
        BUILTIN,
        config,
        sorted(path for folder in args.data for path in folder.glob("shard_*.safetensors")),
        args.out,
        device=torch.device(args.device),
        held_out=frozenset(args.hold_out),
    )


if __name__ == "__main__":
    main()
