"""From pictures to latents and back: a lossless pixel unshuffle, and TAESD's architecture.

Shapes: N frames, H W pixels, h w latent pixels, C latent channels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .layers import Bricks, Operations, Torch


class PixelUnshuffle(nn.Module):
    """Each latent pixel is a block of r x r pixels, so nothing of the photo is lost. No weights."""

    def __init__(self, downscale: int) -> None:
        super().__init__()
        self.downscale = downscale
        self.channels = 3 * downscale**2

    def encode(self, picture: Tensor) -> Tensor:
        """[N, 3, H, W] 0..1 → [N, C, H / r, W / r] -1..1.

        Raises:
            ValueError: H or W is no multiple of r.
        """
        _check_size(picture, self.downscale)
        return F.pixel_unshuffle(picture * 2 - 1, self.downscale)

    def decode(self, latents: Tensor) -> Tensor:
        """[N, C, h, w] → [N, 3, r · h, r · w] 0..1, clamped."""
        return ((F.pixel_shuffle(latents, self.downscale) + 1) / 2).clamp(0, 1)


@dataclass(frozen=True, kw_only=True)
class TinyVAEConfig:
    """TAESD's sizes."""

    width: int = 64  # channels
    channels: int = 4  # of the latents
    blocks: tuple[int, ...] = (1, 3, 3, 3)  # residual blocks between halvings, finest first

    @property
    def downscale(self) -> int:
        """Pixels a latent pixel."""
        return int(2 ** (len(self.blocks) - 1))


class TinyBlock(nn.Module):
    """Three convolutions added to what came in."""

    def __init__(self, bricks: Bricks, width: int) -> None:
        super().__init__()
        convs = [bricks.conv(width, width) for _ in range(3)]
        self.conv = nn.Sequential(convs[0], nn.ReLU(), convs[1], nn.ReLU(), convs[2])

    def forward(self, x: Tensor) -> Tensor:
        """[N, W, h, w] → [N, W, h, w]."""
        return F.relu(self.conv(x) + x)


class Layers(nn.Module):
    """Layers in a row, under the key names of AutoencoderTiny."""

    def __init__(self, layers: list[nn.Module]) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """[N, ...] → [N, ...]."""
        out: Tensor = self.layers(x)
        return out


class TinyVAE(nn.Module):
    """A VAE of a million weights.

    Source: TAESD (madebyollin/taesd, MIT), in AutoencoderTiny's key names; the table to ComfyUI's
    is `keys.TAESD_FILE`.
    """

    def __init__(
        self,
        config: TinyVAEConfig,
        *,
        operations: Operations = Torch,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        self.downscale, self.channels = config.downscale, config.channels
        bricks = Bricks(operations=operations, device=device, dtype=dtype)
        conv, width = bricks.conv, config.width
        down: list[nn.Module] = [conv(3, width)]
        for i, count in enumerate(config.blocks):
            if i:
                down.append(conv(width, width, 3, 2, bias=False))
            down += [TinyBlock(bricks, width) for _ in range(count)]
        self.encoder = Layers([*down, conv(width, config.channels)])
        up: list[nn.Module] = [conv(config.channels, width), nn.ReLU()]
        for i, count in reversed(list(enumerate(config.blocks))):
            up += [TinyBlock(bricks, width) for _ in range(count)]
            if i:
                up += [nn.Upsample(scale_factor=2), conv(width, width, bias=False)]
        self.decoder = Layers([*up, conv(width, 3)])

    def encode(self, picture: Tensor) -> Tensor:
        """[N, 3, H, W] 0..1 → [N, C, h, w], about -3..3.

        Raises:
            ValueError: H or W is no multiple of the downscale.
        """
        _check_size(picture, self.downscale)
        out: Tensor = self.encoder(picture)
        return out

    def decode(self, latents: Tensor) -> Tensor:
        """[N, C, h, w] → [N, 3, H, W] 0..1, clamped."""
        out: Tensor = self.decoder((latents / 3).tanh() * 3).clamp(0, 1)
        return out


def _check_size(picture: Tensor, downscale: int) -> None:
    height, width = picture.shape[2:]
    if height % downscale or width % downscale:
        raise ValueError(
            f"A picture of {width} x {height} cannot be encoded in blocks of {downscale}. Use a "
            f"multiple of {downscale} for both sides."
        )
