"""Attention along the frames of a window: AnimateDiff's motion module, and MEMO's with memory.

Shapes: N = clips times F frames, P past frames, L places, C channels.

Sources: AnimateDiff (arXiv 2307.04725), MEMO (arXiv 2412.04448), key names as published.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from .config import UNetConfig
from .layers import Attention, Bricks, FeedForward, to_picture, to_tokens, unflatten, zeroed

DECAY = 0.9  # of MEMO's memory, per frame
BLOCKS = 2  # attentions a module


class Places(nn.Module):
    """A table of frame positions, part of the published weights."""

    def __init__(self, bricks: Bricks, width: int, frames: int) -> None:
        super().__init__()
        at = torch.arange(frames, dtype=torch.float32)[:, None]
        rates = 10000.0 ** (-torch.arange(0, width, 2, dtype=torch.float32) / width)
        table = torch.stack([(at * rates).sin(), (at * rates).cos()], -1).flatten(1)
        self.register_buffer("pe", table[None, :, :width].to(bricks.device, bricks.dtype))
        self.pe: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """[B, F, C] with the positions added."""
        return x + self.pe[:, : x.shape[1]].to(x)


class TemporalAttention(Attention):
    """Attention of each place on the same place in the window's frames."""

    def __init__(self, bricks: Bricks, config: UNetConfig, width: int) -> None:
        super().__init__(bricks, width, config.heads)
        self.is_linear = config.temporal == "linear"
        self.pos_encoder = Places(bricks, width, config.max_frames)

    def along(self, x: Tensor, past: Tensor | None) -> Tensor:
        """[B, F, C] → [B, F, C], B places."""
        x = self.pos_encoder(x)
        out: Tensor = self._linear(x, past) if self.is_linear else self(x)
        return out

    def _linear(self, x: Tensor, past: Tensor | None) -> Tensor:
        """Linear attention whose sums start from past frames [B, P, C], the latest weigh most."""
        query, key, value = (self._split(to(x)) for to in (self.to_q, self.to_k, self.to_v))
        query = query.softmax(-1) * query.shape[-1] ** -0.5
        key = key.softmax(-2)
        products = key.transpose(-1, -2) @ value  # [B, heads, c, c]
        sums = key.sum(-2, keepdim=True)  # [B, heads, 1, c]
        if past is not None:
            old_key, old_value = (self._split(to(past)) for to in (self.to_k, self.to_v))
            age = torch.arange(past.shape[1] - 1, -1, -1, device=x.device, dtype=x.dtype)
            fade = (DECAY**age)[:, None]
            old_key = old_key.softmax(-2) * fade
            products = products + DECAY * (old_key.transpose(-1, -2) @ (old_value * fade))
            sums = sums + DECAY * old_key.sum(-2, keepdim=True)
        weights = (query @ sums.transpose(-1, -2)).clamp(min=1e-10)
        out: Tensor = self.to_out[0]((query @ products / weights).transpose(1, 2).flatten(2))
        return out

    def _split(self, x: Tensor) -> Tensor:
        """[B, F, C] → [B, heads, F, C / heads]."""
        return unflatten(x, 2, self.heads, -1).transpose(1, 2)


class TemporalBlock(nn.Module):
    """Two attentions along time and a feed-forward layer."""

    def __init__(self, bricks: Bricks, config: UNetConfig, width: int) -> None:
        super().__init__()
        self.attention_blocks = nn.ModuleList(
            TemporalAttention(bricks, config, width) for _ in range(BLOCKS)
        )
        self.norms = nn.ModuleList(bricks.layer_norm(width) for _ in range(BLOCKS))
        self.ff = FeedForward(bricks, width)
        self.ff_norm = bricks.layer_norm(width)

    def forward(self, x: Tensor, frames: int, past: Tensor | None) -> Tensor:
        """[N, L, C] and past frames [P, L, C] → [N, L, C]."""
        clips, places = x.shape[0] // frames, x.shape[1]
        for attention, norm in zip(self.attention_blocks, self.norms, strict=True):
            normed = unflatten(norm(x), 0, clips, frames).transpose(1, 2).flatten(0, 1)
            old = None
            if past is not None:
                old = norm(past).transpose(0, 1).repeat(clips, 1, 1)  # [clips · L, P, C]
            added = cast(TemporalAttention, attention).along(normed, old)  # [clips · L, F, C]
            x = x + unflatten(added, 0, clips, places).transpose(1, 2).flatten(0, 1)
        out: Tensor = x + self.ff(self.ff_norm(x))
        return out


class TemporalTransformer(nn.Module):
    """The temporal block between two projections; the last one starts at zero."""

    def __init__(self, bricks: Bricks, config: UNetConfig, width: int) -> None:
        super().__init__()
        self.max_frames = config.max_frames
        self.joins_past = config.temporal == "softmax"
        self.norm = bricks.group_norm(width, 1e-6)
        self.proj_in = bricks.linear(width, width)
        self.transformer_blocks = nn.ModuleList([TemporalBlock(bricks, config, width)])
        self.proj_out = bricks.linear(width, width)
        zeroed(self.proj_out)

    def forward(self, x: Tensor, frames: int, past: Tensor | None = None) -> Tensor:
        """What time changes.

        Args:
            x: [N, C, H, W].
            frames: F, of each clip.
            past: [P, C, H, W] features of past frames, the latest last.

        Returns:
            [N, C, H, W].

        Raises:
            ValueError: More frames than the table of positions has.
        """
        if past is not None and self.joins_past:
            return self._with_past(x, frames, past)
        if frames > self.max_frames:
            raise ValueError(
                f"{frames} frames at once are more than this renderer's {self.max_frames}. Use a "
                "smaller window."
            )
        tokens = self.proj_in(to_tokens(self.norm(x)))
        old = None if past is None else self.proj_in(to_tokens(self.norm(past)))
        tokens = self.proj_out(self.transformer_blocks[0](tokens, frames, old))
        return x + to_picture(tokens, *x.shape[2:])

    def _with_past(self, x: Tensor, frames: int, past: Tensor) -> Tensor:
        """Hallo's way: past frames go before the clip's, and are dropped again."""
        clips = x.shape[0] // frames
        before = past[None].expand(clips, *past.shape)
        joined = torch.cat([before, unflatten(x, 0, clips, frames)], 1)
        out: Tensor = self(joined.flatten(0, 1), frames + past.shape[0])
        return unflatten(out, 0, clips, -1)[:, past.shape[0] :].flatten(0, 1)


class MotionModule(nn.Module):
    """A temporal transformer under the name that published weights have for it."""

    def __init__(self, bricks: Bricks, config: UNetConfig, width: int) -> None:
        super().__init__()
        self.temporal_transformer = TemporalTransformer(bricks, config, width)

    def forward(self, x: Tensor, frames: int, past: Tensor | None) -> Tensor:
        """As `TemporalTransformer.forward`."""
        out: Tensor = self.temporal_transformer(x, frames, past)
        return out
