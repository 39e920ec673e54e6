"""Train the renderer on shards of render_data, on a CPU or a GPU.

    python -m synchrorama.training.render --data FOLDER --out FOLDER
        [--steps 20000] [--rate 2e-4] [--every 500] [--seed 0] [--device cuda] [--hold-out NAME ...]

OUT gets state.pt (to go on after an interruption: start the same command again), a running mean of
the weights in weights.safetensors, and log.jsonl. Clips named by --hold-out are never trained on.

Source of the formulation: rectified flow (arXiv 2209.03003) whose network says the clean latents;
it starts as an exact copy of the motion frames and learns corrections.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ..models.checkpoint import save_checkpoint
from ..models.render.codec import PixelUnshuffle
from ..models.render.config import BUILTIN, RendererConfig
from ..models.render.unet import Conditions, UNet
from .render_data import Example, read_shard

FORMAT = "synchrorama.renderer"
SOURCE = "Trained from scratch on tracked clips; see the model card."


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How to train."""

    steps: int = 20000
    rate: float = 2e-4  # of AdamW, after the warm-up
    warm_up: int = 200  # steps
    most_noise: float = 0.7  # share of noise; sampling starts at part noise
    matters: float = 8.0  # weight of mouth and eyes over the rest
    gradient: float = 1.0  # weight of the difference of neighbouring pixels, against blur
    drop: float = 0.1  # how often the reference is left out
    mean: float = 0.999  # of the running mean of the weights
    every: int = 500  # steps between states on disk
    seed: int = 0


def clip_loss(
    network: UNet,
    codec: PixelUnshuffle,
    example: Example,
    config: TrainingConfig,
    generator: torch.Generator,
) -> Tensor:
    """Loss of one clip at one random noise level, a scalar."""
    device = next(network.parameters()).device
    reference, motion, target, weight = (
        getattr(example, field).to(device).permute(0, 3, 1, 2).float() / 255
        for field in ("reference", "motion", "target", "weight")
    )
    clean, start = codec.encode(target), codec.encode(motion)
    noise = torch.randn(clean.shape, generator=generator).to(device)
    level = float(torch.rand((), generator=generator)) * config.most_noise
    has_reference = float(torch.rand((), generator=generator)) >= config.drop
    noisy = (1 - level) * clean + level * noise
    banks = network.read(codec.encode(reference)) if has_reference else None
    times = torch.full((len(clean),), 1000 * level, device=device)
    said = network(noisy, times, Conditions(motion=start, reference=banks))
    picture = F.pixel_shuffle(said, codec.downscale) / 2 + 0.5  # not clamped, so that it can learn
    return picture_loss(picture, target, 1 + config.matters * weight, config.gradient)


def picture_loss(picture: Tensor, target: Tensor, weight: Tensor, gradient: float) -> Tensor:
    """Weighted absolute difference of [N, 3, H, W] pictures, and of their gradients."""
    loss = ((picture - target).abs() * weight).sum() / weight.sum()
    for axis in (2, 3):
        off = (picture.diff(dim=axis) - target.diff(dim=axis)).abs()
        at = weight.narrow(axis, 1, weight.shape[axis] - 1)
        loss = loss + gradient * (off * at).sum() / at.sum()
    return loss


def shuffled(shards: Sequence[Path], held_out: set[str], seed: int, skip: int) -> Iterator[Example]:
    """Examples for ever, in an order that the seed sets, after the first `skip`.

    Raises:
        ValueError: There is nothing to train on.
    """
    generator = torch.Generator().manual_seed(seed)
    while True:
        any_left = False
        for index in torch.randperm(len(shards), generator=generator).tolist():
            examples = [one for one in read_shard(shards[index]) if one.clip not in held_out]
            for i in torch.randperm(len(examples), generator=generator).tolist():
                any_left = True
                if skip:
                    skip -= 1
                    continue
                yield examples[i]
        if not any_left:
            raise ValueError("No example is left to train on. Hold out fewer clips.")


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
        network = UNet(renderer.denoiser)
    network.to(device)
    codec = PixelUnshuffle(renderer.downscale)
    optimiser = torch.optim.AdamW(network.parameters(), lr=config.rate, weight_decay=0.01)
    mean = {k: v.detach().clone() for k, v in network.state_dict().items()}
    generator = torch.Generator().manual_seed(config.seed)
    first = 0
    if (state := out / "state.pt").is_file():
        saved = torch.load(state, map_location=device, weights_only=True)
        network.load_state_dict(saved["network"])
        optimiser.load_state_dict(saved["optimiser"])
        mean, first = saved["mean"], saved["step"]
        generator.set_state(saved["generator"].cpu())
    began, losses = time.monotonic(), []
    data = shuffled(shards, set(held_out), config.seed, first)
    for step in range(first, config.steps):
        for group in optimiser.param_groups:
            group["lr"] = config.rate * min(1.0, (step + 1) / config.warm_up)
        loss = clip_loss(network, codec, next(data), config, generator)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        keep = min(config.mean, (step + 1) / (step + 10))  # the first weights are soon forgotten
        for key, value in network.state_dict().items():
            mean[key].lerp_(value, 1 - keep)
        losses.append(float(loss.detach()))
        if (step + 1) % config.every == 0 or step + 1 == config.steps:
            record = {
                "step": step + 1,
                "loss": sum(losses) / len(losses),
                "seconds": round(time.monotonic() - began, 1),
            }
            with (out / "log.jsonl").open("a", encoding="utf-8") as log:
                log.write(json.dumps(record) + "\n")
            losses = []
            _save(out, renderer, network, optimiser, mean, step + 1, generator)
    return network


def _save(
    out: Path,
    renderer: RendererConfig,
    network: UNet,
    optimiser: torch.optim.Optimizer,
    mean: dict[str, Tensor],
    step: int,
    generator: torch.Generator,
) -> None:
    state = {
        "network": network.state_dict(),
        "optimiser": optimiser.state_dict(),
        "mean": mean,
        "step": step,
        "generator": generator.get_state(),
    }
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
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=TrainingConfig.steps)
    parser.add_argument("--rate", type=float, default=TrainingConfig.rate)
    parser.add_argument("--every", type=int, default=TrainingConfig.every)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--hold-out", nargs="*", default=())
    args = parser.parse_args()
    config = TrainingConfig(steps=args.steps, rate=args.rate, every=args.every, seed=args.seed)
    print(config)
    train(
        BUILTIN,
        config,
        sorted(args.data.glob("shard_*.safetensors")),
        args.out,
        device=torch.device(args.device),
        held_out=frozenset(args.hold_out),
    )


if __name__ == "__main__":
    main()
