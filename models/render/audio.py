"""Audio attention of the published families: Hallo's by regions, MEMO's joint with emotion.

Shapes: N frames times clips, L places, A audio tokens a frame, C channels, E emotion classes.

Sources: Hallo (arXiv 2406.08801, MIT), MEMO (arXiv 2412.04448, Apache-2.0), key names as published.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import UNetConfig
from .layers import (
    Attention,
    Bricks,
    FeedForward,
    attend,
    to_picture,
    to_tokens,
    unflatten,
    zeroed,
)
from .spatial import Step


class MaskedBlock(nn.Module):
    """Hallo's: attention to audio three times, for the whole picture, the face and the lips."""

    def __init__(self, bricks: Bricks, config: UNetConfig, width: int) -> None:
        super().__init__()
        heads, context = config.heads, config.audio_width
        self.norm1 = bricks.layer_norm(width)
        self.attn1 = Attention(bricks, width, heads)
        self.norm2 = bricks.layer_norm(width)
        self.attn2_0 = Attention(bricks, width, heads, context=context)
        self.attn2_1 = Attention(bricks, width, heads, context=context)
        self.attn2_2 = Attention(bricks, width, heads, context=context)
        self.zero_conv_full = zeroed(bricks.conv(width, width, 1))
        self.zero_conv_face = zeroed(bricks.conv(width, width, 1))
        self.zero_conv_lip = zeroed(bricks.conv(width, width, 1))
        self.norm3 = bricks.layer_norm(width)
        self.ff = FeedForward(bricks, width)

    def forward(
        self, x: Tensor, audio: Tensor, step: Step, size: tuple[int, int]
    ) -> tuple[Tensor, Tensor]:
        """[N, L, C] and audio [N, A, C'] → both, the audio as it was."""
        x = x + self.attn1(self.norm1(x))
        normed = self.norm2(x)
        attentions = (self.attn2_0, self.attn2_1, self.attn2_2)
        convs = (self.zero_conv_full, self.zero_conv_face, self.zero_conv_lip)
        masks = None if step.masks is None else F.interpolate(step.masks, size, mode="area")
        added = torch.zeros_like(x)
        for region, (attention, conv) in enumerate(zip(attentions, convs, strict=True)):
            heard = to_picture(attention(normed, audio), *size)
            if masks is not None:
                heard = heard * masks[:, region : region + 1].to(heard)
            added = added + to_tokens(conv(heard))
        x = x + added
        return x + self.ff(self.norm3(x)), audio


class _Classes(nn.Module):
    """A table of emotion classes, the last row for none given."""

    def __init__(self, bricks: Bricks, config: UNetConfig, width: int) -> None:
        super().__init__()
        self.embedding_table = bricks.embedding(config.emotions + 1, width)

    def forward(self, shares: Tensor) -> Tensor:
        """[N, E + 1] summing to 1 → [N, width]: a class, or any mixture."""
        rows = torch.arange(shares.shape[1], device=shares.device)
        table = self.embedding_table(rows)  # a look-up, which every host's operations know
        out: Tensor = shares.to(table) @ table
        return out


class EmotionNorm(nn.Module):
    """A layer norm whose scale and shift an emotion sets."""

    def __init__(self, bricks: Bricks, config: UNetConfig, width: int) -> None:
        super().__init__()
        self.class_embedder = _Classes(bricks, config, width)
        self.norm = bricks.layer_norm(width, affine=False)
        self.adaLN_modulation = nn.ModuleList([nn.SiLU(), bricks.linear(width, 2 * width)])

    def forward(self, x: Tensor, shares: Tensor) -> Tensor:
        """[N, L, C] and shares [N, E + 1] → [N, L, C]."""
        set_by = self.adaLN_modulation[1](self.adaLN_modulation[0](self.class_embedder(shares)))
        shift, scale = set_by[:, None].chunk(2, -1)
        out: Tensor = self.norm(x) * (1 + scale) + shift
        return out


class JointAttention(Attention):
    """Attention of pixels and audio tokens on both together."""

    def __init__(
        self, bricks: Bricks, width: int, heads: int, audio_width: int, *, is_last: bool
    ) -> None:
        super().__init__(bricks, width, heads)
        self.add_k_proj = bricks.linear(audio_width, width)
        self.add_v_proj = bricks.linear(audio_width, width)
        self.add_q_proj = bricks.linear(audio_width, width)
        self.to_add_out = None if is_last else bricks.linear(width, audio_width)

    def joint(self, x: Tensor, audio: Tensor) -> tuple[Tensor, Tensor | None]:
        """[N, L, C] and [N, A, C'] → what to add to each; None for the last layer's audio."""
        query = torch.cat([self.to_q(x), self.add_q_proj(audio)], 1)
        key = torch.cat([self.to_k(x), self.add_k_proj(audio)], 1)
        value = torch.cat([self.to_v(x), self.add_v_proj(audio)], 1)
        both = attend(query, key, value, self.heads)
        seen, heard = both[:, : x.shape[1]], both[:, x.shape[1] :]
        return self.to_out[0](seen), None if self.to_add_out is None else self.to_add_out(heard)


class JointBlock(nn.Module):
    """MEMO's: pixels and audio attend to each other, under norms that emotion sets."""

    def __init__(self, bricks: Bricks, config: UNetConfig, width: int, *, is_last: bool) -> None:
        super().__init__()
        audio, heads = config.audio_width, config.heads
        self.norm1 = EmotionNorm(bricks, config, width)
        self.attn1 = Attention(bricks, width, heads)
        self.audio_norm1 = EmotionNorm(bricks, config, audio)
        self.audio_attn1 = Attention(bricks, audio, heads, inner=width)
        self.norm2 = EmotionNorm(bricks, config, width)
        self.audio_norm2 = EmotionNorm(bricks, config, audio)
        self.attn2 = JointAttention(bricks, width, heads, audio, is_last=is_last)
        self.ff = FeedForward(bricks, width)
        self.norm3 = bricks.layer_norm(width)
        self.audio_ff = None if is_last else FeedForward(bricks, audio)
        self.audio_norm3 = None if is_last else bricks.layer_norm(audio)
        self.nothing = config.emotions

    def forward(
        self, x: Tensor, audio: Tensor, step: Step, size: tuple[int, int]
    ) -> tuple[Tensor, Tensor]:
        """[N, L, C] and audio [N, A, C'] → both."""
        shares = step.emotion
        if shares is None:
            shares = x.new_zeros(x.shape[0], self.nothing + 1)
            shares[:, self.nothing] = 1.0
        x = x + self.attn1(self.norm1(x, shares))
        audio = audio + self.audio_attn1(self.audio_norm1(audio, shares))
        seen, heard = self.attn2.joint(self.norm2(x, shares), self.audio_norm2(audio, shares))
        x = x + seen
        x = x + self.ff(self.norm3(x))
        if heard is not None and self.audio_ff is not None and self.audio_norm3 is not None:
            audio = audio + heard
            audio = audio + self.audio_ff(self.audio_norm3(audio))
        return x, audio


class AudioModule(nn.Module):
    """An audio block between two 1 x 1 convolutions."""

    def __init__(
        self, bricks: Bricks, config: UNetConfig, width: int, inner: int, *, is_last: bool
    ) -> None:
        """`inner` channels inside: the published weights narrow where a level's channels change."""
        super().__init__()
        self.norm = bricks.group_norm(width, 1e-6)
        self.proj_in = bricks.conv(width, inner, 1)
        block: nn.Module = (
            JointBlock(bricks, config, inner, is_last=is_last)
            if config.audio == "joint"
            else MaskedBlock(bricks, config, inner)
        )
        self.adds_audio = config.audio == "joint"
        self.transformer_blocks = nn.ModuleList([block])
        self.proj_out = bricks.conv(inner, width, 1)

    def forward(self, x: Tensor, audio: Tensor, step: Step) -> tuple[Tensor, Tensor]:
        """[N, C, H, W] and audio [N, A, C'] → both."""
        size = (x.shape[2], x.shape[3])
        tokens = to_tokens(self.proj_in(self.norm(x)))
        tokens, heard = self.transformer_blocks[0](tokens, audio, step, size)
        x = x + self.proj_out(to_picture(tokens, *size))
        return x, heard + audio if self.adds_audio else heard


class AudioProjection(nn.Module):
    """Speech features of a few frames around each → audio tokens.

    Source: Hallo's and MEMO's audio projection, key names as published.
    """

    def __init__(
        self,
        bricks: Bricks,
        *,
        frames: int = 5,
        blocks: int = 12,
        width: int = 768,
        inner: int = 512,
        tokens: int = 32,
    ) -> None:
        super().__init__()
        self.tokens = tokens
        self.proj1 = bricks.linear(frames * blocks * width, inner)
        self.proj2 = bricks.linear(inner, inner)
        self.proj3 = bricks.linear(inner, tokens * width)
        self.norm = bricks.layer_norm(width)

    def forward(self, features: Tensor) -> Tensor:
        """[N, frames, blocks, width] → [N, tokens, width]."""
        x = self.proj2(self.proj1(features.flatten(1)).relu()).relu()
        out: Tensor = self.norm(unflatten(self.proj3(x), 1, self.tokens, -1))
        return out


class ImageProjection(nn.Module):
    """A face descriptor → tokens of the family's cross-attention.

    Source: Hallo's and MEMO's image projection, key names as published.
    """

    def __init__(
        self, bricks: Bricks, *, face_width: int = 512, width: int = 768, tokens: int = 4
    ) -> None:
        super().__init__()
        self.tokens = tokens
        self.proj = bricks.linear(face_width, tokens * width)
        self.norm = bricks.layer_norm(width)

    def forward(self, face: Tensor) -> Tensor:
        """[N, face_width] → [N, tokens, width]."""
        out: Tensor = self.norm(unflatten(self.proj(face), 1, self.tokens, -1))
        return out
