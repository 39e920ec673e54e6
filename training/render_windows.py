"""Windows on mouths and eyes of many examples at once, on the device that trains.

Shapes: N examples, B of a batch, F frames of an example, S px of its side, H W px of a window.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from torch import Tensor

from .render_shards import Example


@dataclass(frozen=True, kw_only=True)
class WindowConfig:
    """What a step of training sees."""

    sizes: tuple[tuple[int, int], tuple[int, int]] = ((64, 80), (48, 96))  # px, mouth and eyes
    batch: int = 3  # windows, of one example each
    frames: int = 8  # of a window; of examples that have fewer there are as many windows more
    mouths: float = 0.7  # how often the windows of a step lie on mouths; else on both eyes
    scale: float = 0.2  # by how much of its size a window is enlarged or shrunk at most
    turn: float = 0.1  # radians by which it is turned at most


@dataclass(frozen=True, eq=False, kw_only=True)
class Bank:
    """A folder's examples on the device, one after the other."""

    reference: Tensor  # [N, 3, S, S] uint8
    motion: Tensor  # [N, F, 3, S, S] uint8
    target: Tensor  # [N, F, 3, S, S] uint8
    share: Tensor  # [N, F, 1, S, S] uint8, how much of the network's answer is taken
    middles: Tensor  # [N, 2, 2] row and column of the mouth and of both eyes
    emotion: Tensor | None  # [N, F, 256]
    speech: Tensor | None  # [N, F, L, M]

    def part(self, which: slice) -> Bank:
        """Some of the examples."""
        held = ((one.name, getattr(self, one.name)) for one in fields(self))
        return Bank(**{name: None if value is None else value[which] for name, value in held})


@dataclass(frozen=True, eq=False, kw_only=True)
class Spot:
    """Windows of B examples, on mouths or eyes: what the network is trained on."""

    reference: Tensor  # [B, 3, H, W] 0..1
    motion: Tensor  # [B · F, 3, H, W]
    target: Tensor  # [B · F, 3, H, W]
    share: Tensor  # [B · F, 1, H, W]
    emotion: Tensor | None  # [B · F, 256]
    speech: Tensor | None  # [B · F, L, M]


def bank_of(examples: Sequence[Example], device: torch.device) -> Bank:
    """Examples on a device, all with the frames of the longest; a picture stands still."""
    frames = max(len(one.target) for one in examples)

    def long(signal: Tensor) -> Tensor:
        return signal[torch.arange(frames).clamp(max=len(signal) - 1)]

    def planes(field: str) -> Tensor:
        stacked = torch.stack([long(getattr(one, field)) for one in examples])
        return stacked.permute(0, 1, 4, 2, 3).contiguous()

    def signal(field: str) -> Tensor | None:
        if any(getattr(one, field) is None for one in examples):
            return None
        return torch.stack([long(getattr(one, field)) for one in examples]).to(device)

    middles = []
    for one in examples:
        mouth, *eyes = middles_of(one.weight[len(one.weight) // 2, ..., 0])
        middles.append(torch.stack([mouth, torch.stack(eyes).mean(0) if eyes else mouth]))
    share = planes("weight")[:, :, :1].flatten(0, 1).to(device)
    soft = [  # a picture at a time: as float it is large
        F.avg_pool2d(F.avg_pool2d(one[None].float(), 5, 1, 2), 5, 1, 2)[0].round().to(torch.uint8)
        for one in share
    ]
    return Bank(
        reference=torch.stack([one.reference[0].permute(2, 0, 1) for one in examples]).to(device),
        motion=planes("motion").to(device),
        target=planes("target").to(device),
        share=torch.stack(soft).unflatten(0, (len(examples), frames)),
        middles=torch.stack(middles).to(device),
        emotion=signal("emotion"),
        speech=signal("speech"),
    )


def spots_of(
    bank: Bank, config: WindowConfig, generator: torch.Generator, other: Bank | None = None
) -> Spot:
    """Windows at random places near mouths or eyes, in random light and size, perhaps mirrored.

    Args:
        bank: Where they are from.
        config: How many and how large.
        generator: On the CPU.
        other: A bank with emotion and speech. Where the first has none they are drawn from it at
            random, so that a network which is given them learns to draw photos all the same.
    """
    device, size = bank.motion.device, bank.motion.shape[-1]
    frames = min(config.frames, bank.motion.shape[1])
    count = config.batch * (config.frames // frames)

    def draw(low: float, high: float, *shape: int) -> Tensor:
        """Uniform, [B, *shape]."""
        out = torch.rand((count, *shape), generator=generator)
        return (low + (high - low) * out).to(device)

    chosen = torch.randint(len(bank.motion), (count,), generator=generator).to(device)
    room = bank.motion.shape[1] - frames + 1
    start = torch.randint(room, (count, 1), generator=generator).to(device)
    run = start + torch.arange(frames, device=device)  # [B, F] frames of each example
    which = int(torch.rand((), generator=generator) >= config.mouths)
    height, width = config.sizes[which]
    # One half of the windows lies on pixels exactly, so that none is blurred.
    bent = (draw(0, 1) < 0.5).float()
    scale = (draw(-config.scale, config.scale) * bent).exp()
    turn = draw(-config.turn, config.turn) * bent
    mirror = torch.where(draw(0, 1) < 0.5, -1.0, 1.0)
    half = torch.tensor([height / 2, width / 2], device=device)
    middle = bank.middles[chosen, which] + draw(-0.08, 0.08, 2) * width
    middle = middle.round().clamp(min=half, max=size - half)
    rows = torch.arange(height, device=device) + 0.5 - height / 2
    columns = torch.arange(width, device=device) + 0.5 - width / 2
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    x = x[None] * mirror[:, None, None]
    cos, sin = (scale * turn.cos())[:, None, None], (scale * turn.sin())[:, None, None]
    at = torch.stack((cos * x - sin * y, sin * x + cos * y), -1) + middle.flip(1)[:, None, None]
    grid = at / size * 2 - 1  # [B, H, W, 2]
    gain = draw(0.85, 1.15, 3) * draw(0.7, 1.2, 1)
    power, grey = draw(0.8, 1.25), draw(-0.2, 0.5) * (draw(0, 1) < 0.5)

    def cut(pictures: Tensor) -> Tensor:
        """Of [B, P, C, S, S] uint8, [B, P, C, H, W] 0..1."""
        flat = pictures.flatten(1, 2).float() / 255
        out = F.grid_sample(flat, grid, padding_mode="border", align_corners=False)
        return out.unflatten(1, pictures.shape[1:3])

    def lit(pictures: Tensor) -> Tensor:
        out = cut(pictures).clamp(min=0).pow(power.view(-1, 1, 1, 1, 1))
        out = out.lerp(out.mean(2, keepdim=True), grey.view(-1, 1, 1, 1, 1))
        return (out * gain.view(-1, 1, 3, 1, 1)).clamp(0, 1)

    felt, heard, whose, spoken = bank.emotion, bank.speech, chosen, run
    if (felt is None or heard is None) and other is not None:
        felt, heard = other.emotion, other.speech
        whose = torch.randint(len(other.motion), (count,), generator=generator).to(device)
        spoken = (run - run[:, :1]).clamp(max=other.motion.shape[1] - 1)
    return Spot(
        reference=lit(bank.reference[chosen][:, None])[:, 0],
        motion=lit(bank.motion[chosen[:, None], run]).flatten(0, 1),
        target=lit(bank.target[chosen[:, None], run]).flatten(0, 1),
        share=cut(bank.share[chosen[:, None], run]).flatten(0, 1),
        emotion=None if felt is None else felt[whose[:, None], spoken].flatten(0, 1),
        speech=None if heard is None else heard[whose[:, None], spoken].flatten(0, 1),
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
