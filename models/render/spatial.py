"""Attention within a frame, on the reference picture, and on the tokens of conditions.

Shapes: N frames times clips, P past frames, L tokens, C channels, H W latent pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from .config import UNetConfig
from .layers import (
    Attention,
    Bricks,
    FeedForward,
    sinusoids,
    to_picture,
    to_tokens,
    unflatten,
    zeroed,
)


@dataclass(frozen=True, kw_only=True)
class Box:
    """A part of a picture, in latent px."""

    top: int
    left: int
    bottom: int
    right: int

    def of(self, x: Tensor) -> Tensor:
        """This part of [..., H, W], not copied."""
        return x[..., self.top : self.bottom, self.left : self.right]


@dataclass(frozen=True, eq=False, kw_only=True)
class Banks:
    """What a ReferenceNet remembers of a clip: computed once, read at each step.

    The first row of each is the reference picture, further rows are past frames.
    """

    attention: tuple[Tensor, ...]  # [1 + P, L, C] for each attention layer, normed
    plain: tuple[Tensor, ...]  # [1 + P, C, H, W] for each layer without attention
    # What was read of parts of the picture instead; the network then draws those parts alone.
    parts: tuple[tuple[Box, Banks], ...] = ()

    def to(self, target: Tensor | torch.device) -> Banks:
        """On a device, or on the device and in the dtype of a tensor."""
        return Banks(
            attention=tuple(one.to(target) for one in self.attention),
            plain=tuple(one.to(target) for one in self.plain),
            parts=tuple((box, one.to(target)) for box, one in self.parts),
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class Cache:
    """Banks as the denoiser's own keys and values; valid as long as its weights are."""

    keys_values: tuple[tuple[Tensor, Tensor], ...]  # [1, L, C] each, for each attention layer
    banks: Banks
    parts: tuple[tuple[Box, Cache], ...] = ()  # as in Banks


class Adapter(nn.Module):
    """Cross-attention to tokens of ours, beside what a family's weights do; adds nothing at first.

    Source: decoupled cross-attention, IP-Adapter (arXiv 2308.06721), with a query of its own.
    """

    def __init__(self, bricks: Bricks, width: int, heads: int, token_width: int) -> None:
        super().__init__()
        self.norm = bricks.layer_norm(width)
        self.attention = Attention(bricks, width, heads, context=token_width)
        zeroed(self.attention.to_out)

    def forward(self, x: Tensor, tokens: Tensor) -> Tensor:
        """[N, L, C] and tokens [N or 1, L', C'] → what to add, [N, L, C]."""
        out: Tensor = self.attention(self.norm(x), tokens)
        return out


@dataclass(frozen=True, eq=False, kw_only=True)
class Step:
    """What all layers read in one call of the network."""

    time: Tensor  # [N, D] noise level
    frames: int  # rows that belong to one clip: N is a multiple
    context: Tensor | None = None  # [N or 1, L, C] tokens of the family's cross-attention
    reference: Cache | None = None
    adapters: tuple[tuple[nn.ModuleList, Tensor], ...] = ()  # our paths, and tokens [N or 1, L, C]
    masks: Tensor | None = None  # [N, 3, H, W] whole picture, face, lips: where audio acts
    emotion: Tensor | None = None  # [N, E] shares of the family's emotion classes
    collect: list[Tensor] | None = None  # a ReferenceNet's normed tokens, in the order of layers

    def past(self, site: int) -> Tensor | None:
        """[P, L, C] tokens of past frames at an attention layer, if there are any."""
        return _past(self.reference.banks.attention[site]) if self.reference else None

    def past_plain(self, site: int) -> Tensor | None:
        """[P, C, H, W] of past frames at a layer without attention, if there are any."""
        return _past(self.reference.banks.plain[site]) if self.reference else None


def _past(rows: Tensor) -> Tensor | None:
    return rows[1:] if rows.shape[0] > 1 else None


class SpatialBlock(nn.Module):
    """Self- and reference attention, cross-attention, our adapters, feed-forward."""

    def __init__(self, bricks: Bricks, config: UNetConfig, width: int, site: int) -> None:
        super().__init__()
        self.site = site
        self.context_scale = config.context_scale
        self.norm1 = bricks.layer_norm(width)
        self.attn1 = Attention(bricks, width, config.heads)
        self.norm2: nn.LayerNorm | None = None
        self.attn2: Attention | None = None
        if config.context_width:
            self.norm2 = bricks.layer_norm(width)
            self.attn2 = Attention(bricks, width, config.heads, context=config.context_width)
        self.norm3 = bricks.layer_norm(width)
        self.ff = FeedForward(bricks, width)

    def forward(self, x: Tensor, step: Step) -> Tensor:
        """[N, L, C] → [N, L, C]."""
        normed = self.norm1(x)
        if step.collect is not None:
            step.collect.append(normed)
        more = step.reference.keys_values[self.site] if step.reference else None
        x = x + self.attn1(normed, more=more)
        if self.attn2 is not None and self.norm2 is not None and step.context is not None:
            x = x + self.attn2(self.norm2(x), step.context) * self.context_scale
        for adapters, tokens in step.adapters:
            x = x + adapters[self.site](x, tokens)
        out: Tensor = x + self.ff(self.norm3(x))
        return out


class LastNorm(nn.Module):
    """All that MEMO's ReferenceNet keeps of its last block: the norm whose output is the bank."""

    def __init__(self, bricks: Bricks, width: int) -> None:
        super().__init__()
        self.norm1 = bricks.layer_norm(width)

    def forward(self, x: Tensor, step: Step) -> Tensor:
        """[N, L, C] → the same, noted in the step."""
        if step.collect is not None:
            step.collect.append(self.norm1(x))
        return x


class SpatialTransformer(nn.Module):
    """A spatial block between two 1 x 1 convolutions."""

    def __init__(
        self, bricks: Bricks, config: UNetConfig, width: int, site: int, *, only_norm: bool = False
    ) -> None:
        super().__init__()
        self.site = site
        self.norm = bricks.group_norm(width, 1e-6)
        self.proj_in = bricks.conv(width, width, 1)
        block = LastNorm(bricks, width) if only_norm else SpatialBlock(bricks, config, width, site)
        self.transformer_blocks = nn.ModuleList([block])
        self.proj_out = None if only_norm else bricks.conv(width, width, 1)

    def keys_values(self, bank: Tensor) -> tuple[Tensor, Tensor]:
        """This layer's keys and values of a ReferenceNet's tokens [1, L, C]."""
        return cast(SpatialBlock, self.transformer_blocks[0]).attn1.keys_values(bank)

    def forward(self, x: Tensor, step: Step) -> Tensor:
        """[N, C, H, W] → [N, C, H, W]."""
        tokens = to_tokens(self.proj_in(self.norm(x)))  # [N, H · W, C]
        tokens = self.transformer_blocks[0](tokens, step)
        if self.proj_out is None:
            return x
        out: Tensor = x + self.proj_out(to_picture(tokens, *x.shape[2:]))
        return out


class OwnPaths(nn.Module):
    """The paths that no published weights have; their keys begin with `synchrorama.`.

    Each ends in weights of zero, so a renderer with foreign weights stays exact until ours are
    trained.
    """

    def __init__(self, bricks: Bricks, config: UNetConfig, sites: Sequence[int]) -> None:
        """`sites` are the channels of each attention layer, in the order of the layers."""
        super().__init__()
        own = config.adapters
        self.emotion_tokens = own.emotion_tokens
        self.guider: Guider | None = None
        if own.guider_widths:
            self.guider = Guider(
                bricks, config.in_channels, own.guider_widths, config.widths[0], shrink=False
            )
        self.emotion_in = self.emotion = self.speech_in = self.speech = self.scene = None
        if own.emotion_width:
            self.emotion_in = bricks.linear(own.emotion_width, own.emotion_tokens * own.token_width)
            self.emotion = self._adapters(bricks, config, sites, own.token_width)
        if own.speech_width:
            self.speech_in = bricks.linear(own.speech_width, own.token_width)
            self.speech = self._adapters(bricks, config, sites, own.token_width)
        if own.scene_width:
            self.scene = self._adapters(bricks, config, sites, own.scene_width)

    @staticmethod
    def _adapters(
        bricks: Bricks, config: UNetConfig, sites: Sequence[int], token_width: int
    ) -> nn.ModuleList:
        return nn.ModuleList(Adapter(bricks, w, config.heads, token_width) for w in sites)

    def of_emotion(self, z_emo: Tensor) -> tuple[nn.ModuleList, Tensor]:
        """Adapters and tokens of Z_emo [N, 256]."""
        if self.emotion_in is None or self.emotion is None:
            raise ValueError("This renderer has no path for emotion. Leave 'emotion' unconnected.")
        tokens = unflatten(self.emotion_in(z_emo), 1, self.emotion_tokens, -1)
        return self.emotion, tokens

    def of_speech(self, speech: Tensor) -> tuple[nn.ModuleList, Tensor]:
        """Adapters and tokens of speech features [N, L, M], which learn their places in time."""
        if self.speech_in is None or self.speech is None:
            raise ValueError("This renderer has no path for speech. Leave 'audio' unconnected.")
        tokens = self.speech_in(speech)
        places = torch.arange(tokens.shape[1], device=tokens.device)
        return self.speech, tokens + sinusoids(places, tokens.shape[2]).to(tokens)

    def of_scene(self, tokens: Tensor) -> tuple[nn.ModuleList, Tensor]:
        """Adapters and tokens of a text encoder [1, L, C]."""
        if self.scene is None:
            raise ValueError("This renderer has no path for scene text. Leave 'scene' unconnected.")
        return self.scene, tokens


class Guider(nn.Module):
    """Convolutions from a picture to what is added after conv_in; the last one starts at zero.

    Source: EchoMimic's and Hallo's face locator (key names), after AnimateAnyone's pose guider.
    """

    def __init__(
        self,
        bricks: Bricks,
        in_channels: int,
        widths: tuple[int, ...],
        out_channels: int,
        *,
        shrink: bool = True,
    ) -> None:
        """Each further width halves the size if `shrink`."""
        super().__init__()
        self.conv_in = bricks.conv(in_channels, widths[0])
        self.blocks = nn.ModuleList()
        for inner, outer in zip(widths, widths[1:], strict=False):
            self.blocks.append(bricks.conv(inner, inner))
            self.blocks.append(bricks.conv(inner, outer, 3, 2 if shrink else 1))
        self.conv_out = bricks.conv(widths[-1], out_channels)
        zeroed(self.conv_out)

    def forward(self, picture: Tensor) -> Tensor:
        """[N, in_channels, H, W] → [N, out_channels, H / 2^n, W / 2^n]."""
        x = torch.nn.functional.silu(self.conv_in(picture))
        for block in self.blocks:
            x = torch.nn.functional.silu(block(x))
        out: Tensor = self.conv_out(x)
        return out
