"""What a face does besides making sounds: a conditional variational autoencoder of gestures.

Head, brows, expression and the size of the lips' movement vary from take to take. A latent drawn
from a flow (flow.py), given the sound's prosody and the emotion, becomes their motion.

Shapes: B clips, T gesture frames (25 a second), N = T / 2 latent frames, W channels, Z channels of
the latent, L mel frames (100 a second), G = len(CHANNELS) gesture channels, P = len(PROSODY).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..types import ARKIT_NAMES, EMOTIONS
from .action_units import prototype_coefficients
from .articulation import Block
from .flow import Flow
from .liveliness import loudness

RATE = 25  # gesture frames a second
POOL = 4  # mel frames in a gesture frame
BANDS = 20  # of the mel features, four joined to one
HEAD = ("pitch", "yaw", "roll", "right", "up", "near")
BROWS = ("browInnerUp", "browOuterUp", "browDown")

# Coefficients that show an emotion: those of any prototype.
EXPRESSIVE: tuple[str, ...] = tuple(
    name
    for name, used in zip(ARKIT_NAMES, prototype_coefficients().amax(0).tolist(), strict=True)
    if used > 0.0
)
CHANNELS: tuple[str, ...] = (*HEAD, *BROWS, "lips", *EXPRESSIVE)


@dataclass(frozen=True, kw_only=True)
class GesturesConfig:
    """Sizes of the network."""

    width: int = 48  # channels of encoder and decoder
    latent: int = 16  # channels of the latent, even
    stride: int = 2  # gesture frames in a latent frame
    couplings: int = 4  # layers of the flow
    coupling_width: int = 24  # channels inside a layer of the flow
    hears: tuple[int, ...] = (1, 2, 4, 8, 16)  # dilations over prosody and emotion, 25 a second
    slow: tuple[int, ...] = (1, 2, 4, 8, 16)  # of the decoder at the latent's rate
    fast: tuple[int, ...] = (1, 2, 4)  # of the decoder, 25 a second

    def __post_init__(self) -> None:
        if self.latent % 2 or min(self.width, self.latent, self.stride, self.couplings) < 1:
            raise ValueError(
                f"GesturesConfig has width {self.width}, latent {self.latent}, stride "
                f"{self.stride} and {self.couplings} couplings. Use at least 1, and an even latent."
            )

    @property
    def reach(self) -> int:
        """How many gesture frames before and after a frame count at most, a multiple of stride."""
        slow = sum(self.slow) + self.couplings * sum((1, 2, 4)) + 2
        fast = sum(self.fast) + sum(self.hears) + 8
        return self.stride * (slow + 2 + -(-fast // self.stride))


class Gestures(nn.Module):
    """Prior, decoder and, while it learns, posterior encoder of gestures."""

    middle: Tensor  # [G] mean of what was learnt
    spread: Tensor  # [G] its deviation

    def __init__(self, config: GesturesConfig, *, learns: bool = False) -> None:
        super().__init__()
        self.config = config
        width, stride = config.width, config.stride
        self.hears = nn.Conv1d(BANDS + 2, width, 3, padding=1)
        self.feels = nn.Conv1d(len(EMOTIONS) + 2, width, 1)
        self.context = nn.Sequential(*(Block(width, 3, d) for d in config.hears))
        self.flow = Flow(config.latent, width, layers=config.couplings, width=config.coupling_width)
        self.enter = nn.Conv1d(config.latent + width, width, 3, padding=1)
        self.slow = nn.Sequential(*(Block(width, 3, d) for d in config.slow))
        self.fast_in = nn.Conv1d(2 * width, width, 3, padding=1)
        self.fast = nn.Sequential(*(Block(width, 3, d) for d in config.fast))
        self.leave = nn.Conv1d(width, len(CHANNELS), 3, padding=1)
        self.register_buffer("middle", torch.zeros(len(CHANNELS)))
        self.register_buffer("spread", torch.ones(len(CHANNELS)))
        self.posterior = Posterior(config) if learns else None
        self.stride = stride

    def condition(self, prosody: Tensor, emotion: Tensor) -> Tensor:
        """What prosody [B, T, 22] and emotion [B, T, 10] say together, [B, W, T]."""
        x = self.hears(prosody.transpose(1, 2)) + self.feels(emotion.transpose(1, 2))
        out: Tensor = self.context(x)
        return out

    def slower(self, condition: Tensor) -> Tensor:
        """A condition [B, W, T] at the latent's rate, [B, W, N]."""
        return nn.functional.avg_pool1d(condition, self.stride)

    def decode(self, latent: Tensor, condition: Tensor) -> Tensor:
        """Gestures [B, T, G] in the unit of `spread`, of a latent [B, Z, N]."""
        x = self.slow(self.enter(torch.cat([latent, self.slower(condition)], 1)))
        x = x.repeat_interleave(self.stride, 2)  # [B, W, T]
        x = self.fast(self.fast_in(torch.cat([x, condition], 1)))
        out: Tensor = self.leave(x).transpose(1, 2)
        return out

    def forward(self, noise: Tensor, prosody: Tensor, emotion: Tensor) -> Tensor:
        """Gestures [B, T, G] drawn from the prior.

        Args:
            noise: [B, Z, N] Gaussian, its deviation being the temperature.
            prosody: [B, T, 22] of `prosody_of`, T a multiple of stride.
            emotion: [B, T, 10] scores, then valence and arousal.
        """
        condition = self.condition(prosody, emotion)
        latent = self.flow.inverse(noise, self.slower(condition))
        return self.decode(latent, condition) * self.spread + self.middle


class Posterior(nn.Module):
    """Which latent a given motion has: mean and log of the deviation, each [B, Z, N]."""

    def __init__(self, config: GesturesConfig) -> None:
        super().__init__()
        width = config.width
        self.enter = nn.Conv1d(len(CHANNELS) + width, width, 3, padding=1)
        self.fast = nn.Sequential(*(Block(width, 3, d) for d in config.fast))
        self.down = nn.Conv1d(width, width, config.stride, stride=config.stride)
        self.slow = nn.Sequential(*(Block(width, 3, d) for d in config.slow))
        self.leave = nn.Conv1d(width, 2 * config.latent, 1)

    def forward(self, gestures: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Of gestures [B, T, G] in the unit of `spread`, given a condition [B, W, T]."""
        x = self.fast(self.enter(torch.cat([gestures.transpose(1, 2), condition], 1)))
        mean, log_deviation = self.leave(self.slow(self.down(x))).chunk(2, 1)
        return mean, log_deviation.clamp(-5.0, 2.0)


def prosody_of(mel: Tensor, activity: Tensor) -> Tensor:
    """How the voice goes, 25 times a second, [ceil(L / 4), 22].

    Twenty bands where somebody speaks, loudness, and whether somebody speaks.

    Args:
        mel: [L, 80] of `speech.log_mel`.
        activity: [L] 0..1.
    """
    loud = loudness(mel) * activity
    bands = mel.reshape(mel.shape[0], BANDS, -1).mean(2)  # [L, 20]
    voice = ((bands + 2.0) / 2.0) * activity[:, None]
    fine = torch.cat([voice, loud[:, None], activity[:, None]], 1)  # [L, 22]
    missing = -fine.shape[0] % POOL
    padded = nn.functional.pad(fine, (0, 0, 0, missing))
    return padded.reshape(-1, POOL, fine.shape[1]).mean(1)


def gestures_in_windows(
    model: Gestures,
    prosody: Tensor,
    emotion: Tensor,
    *,
    seed: int,
    temperature: float = 1.0,
    window: int = 3000,
    on_step: Callable[[int, int], None] | None = None,
) -> Tensor:
    """One take of a whole clip in flat memory and without seams, [T, G] on the CPU.

    All noise is drawn before, so where windows lie changes nothing.

    Args:
        model: On any device.
        prosody: [T, 22].
        emotion: [T, 10].
        seed: Which take.
        temperature: Deviation of the noise.
        window: Gesture frames at a time.
        on_step: Called with (windows done, windows in all) after each; may raise to cancel.
    """
    stride, reach = model.config.stride, model.config.reach
    window = max(stride, window // stride * stride)
    total = prosody.shape[0]
    missing = -total % stride
    weight = model.leave.weight
    # before and after the clip it is silent, and the feeling is that of its first and last frame
    heard = nn.functional.pad(prosody, (0, 0, reach, reach + missing))
    first, last = emotion[:1].expand(reach, -1), emotion[-1:].expand(reach + missing, -1)
    felt = torch.cat([first, emotion, last])
    chance = torch.Generator().manual_seed(seed % 2**63)
    noise = torch.randn(len(heard) // stride, model.config.latent, generator=chance) * temperature
    starts = range(0, total, window)
    parts = []
    for step, start in enumerate(starts):
        stop = min(start + window, total + missing)
        part = slice(start, stop + 2 * reach)
        with torch.no_grad():
            said = model(
                noise[part.start // stride : part.stop // stride].T[None].to(weight),
                heard[None, part].to(weight),
                felt[None, part].to(weight),
            )
        parts.append(said[0, reach : reach + stop - start].float().cpu())
        if on_step is not None:
            on_step(step + 1, len(starts))
    return torch.cat(parts)[:total]
