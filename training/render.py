"""Train the renderer on shards of examples, on a CPU or a GPU.

    python -m synchrorama.training.render --data FOLDER [FOLDER ...] --out FOLDER
        [--shares 0.5 0.2 0.3] [--dev CLIP ...] [--hold-out CLIP ...] [--seconds 0] [--steps 20000]
        [--rate 1e-3] [--batch 3] [--adversary 0] [--every 500] [--seed 0] [--device cuda]

A batch is of one folder, drawn by the shares. OUT gets state.pt (to go on after an interruption,
start the same command again), a running mean of the weights in weights.safetensors, and log.jsonl.
Clips named by --hold-out are never read; those named by --dev are drawn as the nodes draw them at
each state on disk, and only looked at. With --seconds the rate falls with the time that is left,
however many steps that gives.

Source of the formulation: rectified flow (arXiv 2209.03003) whose network says the clean latents;
it starts as an exact copy of the motion frames and learns corrections.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..models.checkpoint import save_checkpoint
from ..models.render.codec import PixelUnshuffle
from ..models.render.config import BUILTIN, RendererConfig
from ..models.render.sample import Sampling
from ..models.render.spatial import Banks, Cache
from ..models.render.unet import Conditions, UNet
from .render_losses import Adversary, adversary_loss, against_adversary, picture_loss
from .render_shards import Example, read_shard
from .render_windows import Bank, Spot, WindowConfig, bank_of, spots_of

FORMAT = "synchrorama.renderer"
SOURCE = "Trained from scratch on tracked clips; see the model card."


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How to train."""

    steps: int = 20000
    seconds: float = 0.0  # in which to train instead, the rate falling with what is left of them
    rate: float = 1e-3  # of AdamW, after the warm-up
    warm_up: int = 200  # steps
    windows: WindowConfig = WindowConfig()  # what a step sees
    noise: tuple[float, float] = (0.25, 0.5)  # share of noise at which sampling starts
    teach: float = 0.1  # how often a state of the way is made from the truth
    own: float = 0.4  # how often from the network's own first answer; else it is the first state
    square: float = 4.0  # weight of the squared difference, which large faults make up
    gradient: float = 0.25  # weight of the difference of neighbouring pixels
    grain: float = 0.3  # weight of the difference of pooled gradients, which blur cannot win
    still: float = 0.2  # weight of changes where nothing is to change
    adversary: float = 0.0  # weight of a discriminator of patches
    matching: float = 2.0  # of the difference of its features, times the adversary's weight
    adversary_from: float = 0.5  # of the whole way
    drop: float = 0.1  # how often the reference, the emotion or the speech is left out, each
    mean: float = 0.998  # of the running mean of the weights
    every: int = 500  # steps between states on disk
    seed: int = 0


def cache_of(network: UNet, references: Tensor, frames: int) -> Cache:
    """The references [B, C, H, W] of B clips of as many frames, as one cache."""
    banks = network.read(references)
    pairs = tuple(
        (key.repeat_interleave(frames, 0), value.repeat_interleave(frames, 0))
        for key, value in network.cache_rows(banks).keys_values
    )
    first = Banks(  # further rows would pass for past frames
        attention=tuple(one[:1] for one in banks.attention),
        plain=tuple(one[:1] for one in banks.plain),
    )
    return Cache(keys_values=pairs, banks=first)


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
        A scalar and [B · F, 3, H, W], not clamped, with changes in the share alone.
    """
    device = spot.motion.device
    count, frames = len(spot.reference), len(spot.motion) // len(spot.reference)

    def draw() -> float:
        return float(torch.rand((), generator=generator))

    def levels(low: float, high: float) -> Tensor:
        """[B · F, 1, 1, 1], one for each clip."""
        one = low + (high - low) * torch.rand((count, 1, 1, 1), generator=generator)
        return one.repeat_interleave(frames, 0).to(device)

    clean, start = codec.encode(spot.target), codec.encode(spot.motion)
    noise = torch.randn(clean.shape, generator=_near(generator, device), device=device)
    kept = [draw() >= config.drop for _ in range(3)]
    reference = cache_of(network, codec.encode(spot.reference), frames) if kept[0] else None
    given = Conditions(
        motion=start,
        reference=reference,
        emotion=spot.emotion if kept[1] else None,
        speech=spot.speech if kept[2] else None,
    )

    def ask(x: Tensor, level: Tensor) -> Tensor:
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            said = network(x, 1000 * level.flatten(), given, frames)
        return said.float()

    first, kind, left, answer = levels(*config.noise), draw(), 1.0, clean
    if kind < config.teach + config.own:
        left = (1 + int(2.999 * draw())) / 4
    if kind < config.teach:
        first = levels(config.noise[0], 1.0)
    elif left < 1:
        with torch.no_grad():
            answer = ask((1 - first) * start + first * noise, first)
    level = first * left
    state = (1 - left) * answer + left * (1 - first) * start + level * noise
    said = F.pixel_shuffle(ask(state, level), codec.downscale) / 2 + 0.5
    made = spot.motion + spot.share * (said - spot.motion)  # not clamped, so that it can learn
    share = spot.share.expand_as(made)
    loss = picture_loss(made, spot.target, share, config.gradient, config.grain)
    off = ((made - spot.target).square() * share).sum() / share.sum().clamp(min=1e-6)
    astray = ((said - spot.motion).abs() * (1 - spot.share)).mean()
    return loss + config.square * off + config.still * astray, made


def _near(generator: torch.Generator, device: torch.device) -> torch.Generator:
    """The generator, or one on the device that it seeds: noise is too large to be carried."""
    if generator.device.type == device.type:
        return generator
    seed = int(torch.randint(2**62, (), generator=generator))
    return torch.Generator(device).manual_seed(seed)


def examples_in(shards: Sequence[Path], left_out: set[str]) -> list[Example]:
    """All examples of shards but those of some clips."""
    with ThreadPoolExecutor(8) as pool:
        read = pool.map(lambda path: list(read_shard(path)), shards)
        return [one for some in read for one in some if one.clip not in left_out]


@torch.no_grad()
def seen_on(
    network: UNet, codec: PixelUnshuffle, bank: Bank, config: TrainingConfig
) -> dict[str, float]:
    """How windows on a bank's mouths are drawn in four steps, against motion frames.

    Returns:
        "gain" in dB, the mean over examples, and "sharp" and "sharp_motion", mean gradients over
        the truth's.
    """
    device = bank.motion.device
    (height, width), size = config.windows.sizes[0], bank.motion.shape[-1]
    frames = bank.motion.shape[1]
    generator = torch.Generator().manual_seed(0)
    gains, sums = [], torch.zeros(3)
    for i in range(len(bank.motion)):
        row, column = (round(float(v)) for v in bank.middles[i, 0])
        top = min(max(row - height // 2, 0), size - height)
        left = min(max(column - width // 2, 0), size - width)
        window = (..., slice(top, top + height), slice(left, left + width))
        motion, target, share = (
            one[i][window].float() / 255 for one in (bank.motion, bank.target, bank.share)
        )
        start = codec.encode(motion)
        reference = codec.encode(bank.reference[i : i + 1][window].float() / 255)
        given = Conditions(
            motion=start,
            reference=cache_of(network, reference, frames),
            emotion=None if bank.emotion is None else bank.emotion[i],
            speech=None if bank.speech is None else bank.speech[i],
        )
        levels = Sampling().levels
        x = start.lerp(torch.randn(start.shape, generator=generator).to(device), levels[0])
        for level, below in zip(levels, levels[1:], strict=False):
            times = torch.full((frames,), 1000 * level, device=device)
            x = x + (x - network(x, times, given, frames)) / level * (below - level)
        made = motion + share * (codec.decode(x) - motion)
        total = share.sum().clamp(min=1)
        before, after = (((one - target).square() * share).sum() / total for one in (motion, made))
        gains.append(10 * float((before.clamp(min=1e-6) / after.clamp(min=1e-6)).log10()))
        for k, one in enumerate((made, motion, target)):
            for axis in (2, 3):
                part = share.narrow(axis, 1, share.shape[axis] - 1)
                sums[k] += float((one.diff(dim=axis).abs() * part).sum())
    return {
        "gain": round(sum(gains) / len(gains), 3),
        "sharp": round(float(sums[0] / sums[2]), 3),
        "sharp_motion": round(float(sums[1] / sums[2]), 3),
    }


def train(
    renderer: RendererConfig,
    config: TrainingConfig,
    folders: Sequence[Sequence[Path]],
    out: Path,
    *,
    device: torch.device,
    shares: Sequence[float] | None = None,
    held_out: frozenset[str] = frozenset(),
    dev: frozenset[str] = frozenset(),
) -> UNet:
    """Train, or go on with what `out` holds; the network with the last weights, not the mean.

    Args:
        renderer: What to train.
        config: How.
        folders: Shards of each folder.
        out: Where state, weights and log go.
        device: Where to train.
        shares: How often a batch is of each folder; equally when not given.
        held_out: Clips that are left out.
        dev: Clips that are left out of training and looked at.

    Raises:
        ValueError: There is nothing to train on.
    """
    out.mkdir(parents=True, exist_ok=True)
    banks, watched, kept_shares = [], [], []
    for shards, often in zip(folders, shares or [1.0] * len(folders), strict=True):
        examples = examples_in(shards, set(held_out))
        trained = [one for one in examples if one.clip not in dev]
        if trained:
            banks.append(bank_of(trained, device))
            kept_shares.append(often)
        watched += [one for one in examples if one.clip in dev and len(one.target) > 1]
    if not banks:
        raise ValueError("No example is left to train on. Hold out fewer clips.")
    speaking = next((one for one in banks if one.speech is not None), None)
    watch = bank_of(watched[:: max(len(watched) // 60, 1)], device) if watched else None
    print([len(one.motion) for one in banks], "examples,", len(watched), "watched", flush=True)
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(config.seed)
        network, adversary = UNet(renderer.denoiser), Adversary()
        shown = UNet(renderer.denoiser)
    for one in (network, adversary, shown):
        one.to(device)
    codec = PixelUnshuffle(renderer.downscale)
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=config.rate, weight_decay=0.01, fused=True
    )
    opponent = torch.optim.AdamW(
        adversary.parameters(), lr=config.rate, betas=(0.5, 0.99), fused=True
    )
    parts = {
        "network": network,
        "optimiser": optimiser,
        "adversary": adversary,
        "opponent": opponent,
    }
    mean = {k: v.detach().clone() for k, v in network.state_dict().items()}
    generator = torch.Generator().manual_seed(config.seed)
    step, spent = 0, 0.0
    if (state := out / "state.pt").is_file():
        saved = torch.load(state, map_location=device, weights_only=True)
        for name, one in parts.items():
            one.load_state_dict(saved[name])
        mean, step, spent = saved["mean"], saved["step"], saved["spent"]
        generator.set_state(saved["generator"].cpu())
    began, sums = time.monotonic() - spent, torch.zeros(2, device=device)
    often = torch.tensor(kept_shares)
    since = 0
    while True:
        spent = time.monotonic() - began
        way = spent / config.seconds if config.seconds else step / config.steps
        if way >= 1:
            break
        rest = 0.02 + 0.98 * (0.5 + 0.5 * math.cos(math.pi * way))
        for group in (*optimiser.param_groups, *opponent.param_groups):
            group["lr"] = config.rate * min(1.0, (step + 1) / config.warm_up) * rest
        bank = banks[int(torch.multinomial(often, 1, generator=generator))]
        spot = spots_of(bank, config.windows, generator, speaking)
        loss, made = spot_loss(network, codec, spot, config, generator)
        sums[0] += loss.detach()
        if config.adversary and way >= config.adversary_from:
            adversary.requires_grad_(False)
            loss = loss + config.adversary * against_adversary(
                adversary, spot, made, config.matching
            )
            adversary.requires_grad_(True)
            verdict = adversary_loss(adversary, spot, made)
            opponent.zero_grad()
            verdict.backward()
            opponent.step()
            sums[1] += verdict.detach()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        keep = min(config.mean, (step + 1) / (step + 10))  # the first weights are soon forgotten
        torch._foreach_lerp_(list(mean.values()), list(network.state_dict().values()), 1 - keep)
        step, since = step + 1, since + 1
        over = time.monotonic() - began >= config.seconds if config.seconds else False
        if step % config.every == 0 or step == config.steps or over:
            record: dict[str, Any] = {"step": step, "way": round(way, 3)}
            record |= dict(zip(("loss", "verdict"), (sums / since).tolist(), strict=True))
            if watch is not None:
                shown.load_state_dict(mean)
                record |= seen_on(shown, codec, watch, config)
            record["seconds"] = round(time.monotonic() - began, 1)
            with (out / "log.jsonl").open("a", encoding="utf-8") as log:
                log.write(json.dumps(record) + "\n")
            print(record, flush=True)
            sums, since = torch.zeros_like(sums), 0
            now = {name: one.state_dict() for name, one in parts.items()}
            spent = time.monotonic() - began
            now |= {"mean": mean, "step": step, "spent": spent, "generator": generator.get_state()}
            _save(out, renderer, now)
        if step == config.steps or over:
            break
    return network


def _save(out: Path, renderer: RendererConfig, state: dict[str, Any]) -> None:
    torch.save(state, out / "state.part")
    (out / "state.part").replace(out / "state.pt")  # an interruption leaves the old one whole
    half = {f"denoiser.{k}": v.half().cpu() for k, v in state["mean"].items()}
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
    parser.add_argument("--shares", type=float, nargs="*")
    parser.add_argument("--steps", type=int, default=TrainingConfig.steps)
    parser.add_argument("--seconds", type=float, default=TrainingConfig.seconds)
    parser.add_argument("--rate", type=float, default=TrainingConfig.rate)
    parser.add_argument("--batch", type=int, default=WindowConfig.batch)
    parser.add_argument("--adversary", type=float, default=TrainingConfig.adversary)
    parser.add_argument("--adversary-from", type=float, default=TrainingConfig.adversary_from)
    parser.add_argument("--every", type=int, default=TrainingConfig.every)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--hold-out", nargs="*", default=())
    parser.add_argument("--dev", nargs="*", default=())
    args = parser.parse_args()
    torch.set_float32_matmul_precision("high")  # on GPUs that know TF32
    config = TrainingConfig(
        steps=10**9 if args.seconds else args.steps,
        seconds=args.seconds,
        rate=args.rate,
        windows=WindowConfig(batch=args.batch),
        adversary=args.adversary,
        adversary_from=args.adversary_from,
        every=args.every,
        seed=args.seed,
    )
    print(config)
    train(
        BUILTIN,
        config,
        [sorted(folder.glob("shard_*.safetensors")) for folder in args.data],
        args.out,
        device=torch.device(args.device),
        shares=args.shares or None,
        held_out=frozenset(args.hold_out),
        dev=frozenset(args.dev),
    )


if __name__ == "__main__":
    main()
