"""The levels of the U-Net: layers of residual block, spatial, audio and temporal attention.

Shapes: N = clips times F frames, C channels, H W latent pixels, D noise level.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch.nn.functional as F
from torch import Tensor, nn

from .audio import AudioModule
from .config import UNetConfig
from .layers import Bricks, ResidualBlock, to_picture
from .spatial import SpatialTransformer, Step
from .temporal import MotionModule


class Sites:
    """Numbers attention layers and plain ones in the order in which data passes them."""

    def __init__(self) -> None:
        self.widths: list[int] = []  # channels of each attention layer
        self.plain = 0  # layers without attention

    def next_attention(self, width: int) -> int:
        """The number of the next attention layer."""
        self.widths.append(width)
        return len(self.widths) - 1

    def next_plain(self) -> int:
        """The number of the next layer without attention."""
        self.plain += 1
        return self.plain - 1


class Level(nn.Module):
    """Layers of one level; what a level lacks, it has no list for."""

    def __init__(
        self,
        bricks: Bricks,
        config: UNetConfig,
        sites: Sites,
        *,
        residuals: Sequence[tuple[int, int]],
        audio_widths: Sequence[int],
        has_attention: bool,
        has_motion: bool,
        time_width: int,
        is_last: bool = False,
    ) -> None:
        """Build a level.

        Args:
            bricks: Where layers come from.
            config: Of the network.
            sites: Numbers the layers.
            residuals: Channels in and out of each layer's residual block.
            audio_widths: Channels inside each layer's audio attention.
            has_attention: Whether there is spatial and audio attention.
            has_motion: Whether there is temporal attention.
            time_width: D.
            is_last: Whether the network's last attention layer is the last one here.
        """
        super().__init__()
        self.has_attention = has_attention
        self.resnets = nn.ModuleList(
            ResidualBlock(bricks, inner, outer, time_width) for inner, outer in residuals
        )
        widths = [outer for _, outer in residuals][: len(audio_widths)]
        lasts = [is_last and i == len(widths) - 1 for i in range(len(widths))]
        self.plain = [] if has_attention else [sites.next_plain() for _ in widths]
        self.attentions: nn.ModuleList | None = None
        self.audio_modules: nn.ModuleList | None = None
        self.motion_modules: nn.ModuleList | None = None
        self.downsamplers: nn.ModuleList | None = None
        self.upsamplers: nn.ModuleList | None = None
        if has_attention:
            self.attentions = nn.ModuleList(
                SpatialTransformer(
                    bricks,
                    config,
                    width,
                    sites.next_attention(width),
                    only_norm=last and config.end == "last norm",
                )
                for width, last in zip(widths, lasts, strict=True)
            )
        if has_attention and config.audio != "none":
            self.audio_modules = nn.ModuleList(
                AudioModule(bricks, config, width, inner, is_last=last)
                for width, inner, last in zip(widths, audio_widths, lasts, strict=True)
            )
        if has_motion:
            self.motion_modules = nn.ModuleList(
                MotionModule(bricks, config, width) for width in widths
            )

    def attend(
        self, i: int, x: Tensor, audio: Tensor | None, step: Step, plain: list[Tensor] | None
    ) -> tuple[Tensor, Tensor | None]:
        """What follows the residual block of layer i.

        Args:
            i: Which layer.
            x: [N, C, H, W].
            audio: [N, A, C'] tokens on their way through the network.
            step: What all layers read.
            plain: Gathers x of layers without attention, for a ReferenceNet.

        Returns:
            x and audio.
        """
        if self.attentions is None:
            past = step.past_plain(self.plain[i])
            if plain is not None:
                plain.append(x)
        else:
            attention = cast(SpatialTransformer, self.attentions[i])
            tokens = step.past(attention.site)
            past = None if tokens is None else to_picture(tokens, *x.shape[2:])
            x = attention(x, step)
        if self.audio_modules is not None and audio is not None:
            x, audio = self.audio_modules[i](x, audio, step)
        if self.motion_modules is not None:
            x = self.motion_modules[i](x, step.frames, past)
        return x, audio


class Resample(nn.Module):
    """Half the size or twice; key names as published."""

    def __init__(self, bricks: Bricks, width: int, stride: int) -> None:
        super().__init__()
        self.conv = bricks.conv(width, width, 3, stride)

    def forward(self, x: Tensor, size: tuple[int, int] | None = None) -> Tensor:
        """[N, C, H, W] → half of it for a stride of 2, or `size` for a stride of 1."""
        out: Tensor = self.conv(x if size is None else F.interpolate(x, size, mode="nearest"))
        return out


class TimeEmbedding(nn.Module):
    """The noise level as features."""

    def __init__(self, bricks: Bricks, inner: int, outer: int) -> None:
        super().__init__()
        self.linear_1 = bricks.linear(inner, outer)
        self.linear_2 = bricks.linear(outer, outer)

    def forward(self, x: Tensor) -> Tensor:
        """[N, inner] → [N, outer]."""
        out: Tensor = self.linear_2(F.silu(self.linear_1(x)))
        return out
