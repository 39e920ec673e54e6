"""Train the renderer on shards of examples, on a CPU or a GPU.

    python -m synchrorama.training.render --data FOLDER [FOLDER ...] --out FOLDER
        [--shares 0.5 0.2 0.3] [--dev CLIP ...] [--hold-out CLIP ...] [--seconds 0] [--steps 20000]
        [--rate 1e-3] [--batch 3] [--frames 8] [--sharp-from 0.6] [--adversary 0] [--every 500]
        [--eager] [--channels-last] [--seed 0] [--device cuda]

A batch is of one folder, drawn by the shares. OUT gets state.pt (to go on after an interruption,
start the same command again), a running mean of the weights in weights.safetensors, and log.jsonl.
Clips named by --hold-out are never read; those named by --dev are drawn as the nodes draw them at
each state on disk, and only looked at: best.safetensors is the mean that drew them best. With
--seconds the rate falls with the time that is left, however many steps that gives.

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
from torch import Tensor

from ..models.checkpoint import save_checkpoint
from ..models.render.codec import PixelUnshuffle
from ..models.render.config import BUILTIN, RendererConfig
from ..models.render.sample import Sampling
from ..models.render.unet import Conditions, UNet
from .render_losses import Adversary, LossConfig, adversary_loss
from .render_shards import Example, read_shard
from .render_step import StateConfig, Steps, cache_of, random_state
from .render_windows import Bank, WindowConfig, bank_of, spots_of

FORMAT = "synchrorama.renderer"
WATCHED, SEEN = 48, 16  # examples that are looked at, and of these at once
SOURCE = "Trained from scratch on tracked clips; see the model card."


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How to train."""

    steps: int = 20000
    seconds: float = 0.0  # in which to train instead, the rate falling with what is left of them
    rate: float = 1e-3  # of AdamW, after the warm-up
    warm_up: int = 200  # steps
    windows: WindowConfig = WindowConfig()  # what a step sees
    states: StateConfig = StateConfig()  # where on the way it is
    losses: LossConfig = LossConfig()  # what it is punished for
    sharp_from: float = 0.6  # of the whole way: then gradients count
    adversary_from: float = 0.5  # likewise
    mean: float = 0.998  # of the running mean of the weights
    every: int = 500  # steps between states on disk
    captured: bool = True  # run CUDA graphs where there is a GPU
    channels_last: bool = False  # how pictures lie in memory
    seed: int = 0


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
    generator = torch.Generator().manual_seed(0)
    gains: list[float] = []
    sums = torch.zeros(3)
    for start in range(0, len(bank.motion), SEEN):
        few = bank.part(slice(start, start + SEEN))
        motion, made, target, share = _drawn(network, codec, few, config, generator)
        total = share.sum((1, 2, 3, 4)).clamp(min=1)
        before, after = (
            ((one - target).square() * share).sum((1, 2, 3, 4)) / total for one in (motion, made)
        )
        gains += (10 * (before.clamp(min=1e-6) / after.clamp(min=1e-6)).log10()).tolist()
        for k, one in enumerate((made, motion, target)):
            for axis in (3, 4):
                part = share.narrow(axis, 1, share.shape[axis] - 1)
                sums[k] += float((one.diff(dim=axis).abs() * part).sum())
    return {
        "gain": round(sum(gains) / len(gains), 3),
        "sharp": round(float(sums[0] / sums[2]), 3),
        "sharp_motion": round(float(sums[1] / sums[2]), 3),
    }


def _drawn(
    network: UNet,
    codec: PixelUnshuffle,
    bank: Bank,
    config: TrainingConfig,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Motion frames, what is made of them, truth [B, F, 3, H, W], and share [B, F, 1, H, W]."""
    device, (height, width) = bank.motion.device, config.windows.sizes[0]
    count, frames = bank.motion.shape[:2]
    size = bank.motion.shape[-1]
    corner = bank.middles[:, 0].round().long().cpu() - torch.tensor([height // 2, width // 2])
    corner = corner.clamp(min=0).minimum(torch.tensor([size - height, size - width]))

    def cut(pictures: Tensor) -> Tensor:
        """Windows of [B, ..., S, S] uint8, 0..1."""
        pairs = zip(pictures, corner.tolist(), strict=True)
        windows = [one[..., top : top + height, left : left + width] for one, (top, left) in pairs]
        return torch.stack(windows).float() / 255

    motion, target, share = (cut(one) for one in (bank.motion, bank.target, bank.share))
    start = codec.encode(motion.flatten(0, 1))
    given = Conditions(
        motion=start,
        reference=cache_of(network, codec.encode(cut(bank.reference)), frames),
        emotion=None if bank.emotion is None else bank.emotion.flatten(0, 1),
        speech=None if bank.speech is None else bank.speech.flatten(0, 1),
    )
    levels = Sampling().levels
    x = start.lerp(torch.randn(start.shape, generator=generator).to(device), levels[0])
    for level, below in zip(levels, levels[1:], strict=False):
        times = torch.full((len(x),), 1000 * level, device=device)
        x = x + (x - network(x, times, given, frames)) / level * (below - level)
    change = codec.decode(x).unflatten(0, (count, frames)) - motion
    return motion, motion + share * change, target, share


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
    watch = bank_of(_thinned(watched), device) if watched else None
    print([len(one.motion) for one in banks], "examples,", len(watched), "watched", flush=True)
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(config.seed)
        network, adversary = UNet(renderer.denoiser), Adversary()
        shown = UNet(renderer.denoiser)
    for one in (network, adversary, shown):
        one.to(device)
        if config.channels_last:
            one.to(memory_format=torch.channels_last)
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
    step, spent, best = 0, 0.0, 0.0
    if (disk := out / "state.pt").is_file():
        saved = torch.load(disk, map_location=device, weights_only=True)
        for name, one in parts.items():
            one.load_state_dict(saved[name])
        mean, step, spent, best = (saved[k] for k in ("mean", "step", "spent", "best"))
        generator.set_state(saved["generator"].cpu())
    captured = config.captured and device.type == "cuda"
    run = Steps(network, adversary, codec, config.losses, captured=captured)
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
        against = bool(config.losses.adversary) and way >= config.adversary_from
        state = random_state(spot, codec, config.states, generator)
        loss, made = run(spot, state, way >= config.sharp_from, against)
        sums[0] += loss
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        if against:
            verdict = adversary_loss(adversary, spot, made)
            opponent.zero_grad()
            verdict.backward()
            opponent.step()
            sums[1] += verdict.detach()
        keep = min(config.mean, (step + 1) / (step + 10))  # the first weights are soon forgotten
        torch._foreach_lerp_(list(mean.values()), list(network.state_dict().values()), 1 - keep)
        step, since = step + 1, since + 1
        over = time.monotonic() - began >= config.seconds if config.seconds else False
        if step % config.every == 0 or step == config.steps or over:
            record: dict[str, Any] = {"step": step, "way": round(way, 3)}
            record |= dict(zip(("loss", "verdict"), (sums / since).tolist(), strict=True))
            shown.load_state_dict(mean)
            if watch is not None:
                record |= seen_on(shown, codec, watch, config)
                if record["gain"] > best:
                    best = record["gain"]
                    _save_weights(out / "best.safetensors", renderer, mean)
            spent = time.monotonic() - began
            record["seconds"] = round(spent, 1)
            with (out / "log.jsonl").open("a", encoding="utf-8") as log:
                log.write(json.dumps(record) + "\n")
            print(record, flush=True)
            sums, since = torch.zeros_like(sums), 0
            now = {name: one.state_dict() for name, one in parts.items()}
            now |= {"mean": mean, "step": step, "spent": spent, "best": best}
            now |= {"generator": generator.get_state()}
            torch.save(now, out / "state.part")
            (out / "state.part").replace(disk)  # an interruption leaves the old one whole
            _save_weights(out / "weights.safetensors", renderer, mean)
        if step == config.steps or over:
            break
    return network


def _thinned(examples: Sequence[Example]) -> Sequence[Example]:
    """About as many as are watched, of all of them."""
    return examples[:: max(len(examples) // WATCHED, 1)]


def _save_weights(path: Path, renderer: RendererConfig, mean: dict[str, Tensor]) -> None:
    save_checkpoint(
        path,
        {f"denoiser.{k}": v.half().cpu() for k, v in mean.items()},
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
    parser.add_argument("--adversary", type=float, default=LossConfig.adversary)
    parser.add_argument("--frames", type=int, default=WindowConfig.frames)
    parser.add_argument("--sharp-from", type=float, default=TrainingConfig.sharp_from)
    parser.add_argument("--adversary-from", type=float, default=TrainingConfig.adversary_from)
    parser.add_argument("--every", type=int, default=TrainingConfig.every)
    parser.add_argument("--eager", action="store_true", help="no CUDA graphs")
    parser.add_argument("--channels-last", action="store_true")
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
        windows=WindowConfig(batch=args.batch, frames=args.frames),
        losses=LossConfig(adversary=args.adversary),
        sharp_from=args.sharp_from,
        adversary_from=args.adversary_from,
        every=args.every,
        captured=not args.eager,
        channels_last=args.channels_last,
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
