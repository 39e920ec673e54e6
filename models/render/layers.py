"""Building bricks whose operations come from the host: linear, convolution, norms, attention.

Shapes: N frames times clips, L tokens, C channels, H W latent pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Operations(Protocol):
    """What a host may replace: torch.nn outside of ComfyUI, comfy.ops inside."""

    Linear: type[nn.Linear]
    Conv2d: type[nn.Conv2d]
    GroupNorm: type[nn.GroupNorm]
    LayerNorm: type[nn.LayerNorm]
    Embedding: type[nn.Embedding]


class Torch:
    """PyTorch's own operations."""

    Linear = nn.Linear
    Conv2d = nn.Conv2d
    GroupNorm = nn.GroupNorm
    LayerNorm = nn.LayerNorm
    Embedding = nn.Embedding


@dataclass(frozen=True, kw_only=True)
class Bricks:
    """Makes layers from the host's operations, on one device and in one dtype."""

    operations: Operations = Torch
    device: torch.device | None = None
    dtype: torch.dtype | None = None
    groups: int = 32

    def linear(self, inner: int, outer: int, *, bias: bool = True) -> nn.Linear:
        """[..., inner] → [..., outer]."""
        return self.operations.Linear(inner, outer, bias=bias, device=self.device, dtype=self.dtype)

    def conv(
        self, inner: int, outer: int, size: int = 3, stride: int = 1, *, bias: bool = True
    ) -> nn.Conv2d:
        """[N, inner, H, W] → [N, outer, H / stride, W / stride]."""
        return self.operations.Conv2d(
            inner,
            outer,
            size,
            stride,
            size // 2,
            bias=bias,
            device=self.device,
            dtype=self.dtype,
        )

    def group_norm(self, channels: int, eps: float) -> nn.GroupNorm:
        """Norm of [N, channels, H, W]."""
        return self.operations.GroupNorm(
            self.groups, channels, eps=eps, device=self.device, dtype=self.dtype
        )

    def layer_norm(self, width: int, *, affine: bool = True) -> nn.LayerNorm:
        """Norm of [..., width]."""
        return self.operations.LayerNorm(
            width, elementwise_affine=affine, device=self.device, dtype=self.dtype
        )

    def embedding(self, count: int, width: int) -> nn.Embedding:
        """A table of `count` rows."""
        return self.operations.Embedding(count, width, device=self.device, dtype=self.dtype)


def zeroed(module: nn.Module) -> nn.Module:
    """The module with all parameters at zero: a path that adds nothing until it is trained."""
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
    return module


def unflatten(x: Tensor, axis: int, first: int, second: int) -> Tensor:
    """One axis as two, one of which may be -1."""
    return x.reshape(*x.shape[:axis], first, second, *x.shape[axis + 1 :])


def to_tokens(x: Tensor) -> Tensor:
    """[N, C, H, W] → [N, H · W, C]."""
    return x.flatten(2).transpose(1, 2)


def to_picture(tokens: Tensor, height: int, width: int) -> Tensor:
    """[N, H · W, C] → [N, C, H, W]."""
    return unflatten(tokens.transpose(1, 2), 2, height, width).contiguous()


def sinusoids(positions: Tensor, width: int) -> Tensor:
    """[N] → [N, width], cosines before sines, in float32."""
    half = width // 2
    steps = torch.arange(half, device=positions.device, dtype=torch.float32)
    angles = positions.float()[:, None] * torch.exp(-math.log(10000.0) * steps / half)
    return torch.cat([angles.cos(), angles.sin()], 1)


def attend(query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
    """Softmax attention of [N, L, C] on [N, L', C], → [N, L, C]."""
    q, k, v = (unflatten(x, 2, heads, -1).transpose(1, 2) for x in (query, key, value))
    out: Tensor = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
    return out


class Attention(nn.Module):
    """Multi-head attention with the key names of Stable Diffusion 1.5."""

    def __init__(
        self,
        bricks: Bricks,
        width: int,
        heads: int,
        *,
        context: int | None = None,
        inner: int | None = None,
    ) -> None:
        """Attention of `width` channels on `context` channels, through `inner`."""
        super().__init__()
        inner = inner or width
        self.heads = heads
        self.to_q = bricks.linear(width, inner, bias=False)
        self.to_k = bricks.linear(context or width, inner, bias=False)
        self.to_v = bricks.linear(context or width, inner, bias=False)
        self.to_out = nn.ModuleList([bricks.linear(inner, width)])

    def keys_values(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of tokens [N, L, C]."""
        return self.to_k(tokens), self.to_v(tokens)

    def forward(
        self, x: Tensor, tokens: Tensor | None = None, more: tuple[Tensor, Tensor] | None = None
    ) -> Tensor:
        """Attention of x on tokens (x itself without), and on more keys and values.

        Args:
            x: [N, L, C].
            tokens: [N or 1, L', C'].
            more: Keys and values [N or 1, L'', inner] that somebody else's tokens had.

        Returns:
            [N, L, C].
        """
        key, value = self.keys_values(x if tokens is None else tokens)
        if more is not None:
            key = torch.cat([key, more[0].expand(key.shape[0], -1, -1)], 1)
            value = torch.cat([value, more[1].expand(value.shape[0], -1, -1)], 1)
        key, value = (one.expand(x.shape[0], -1, -1) for one in (key, value))
        out: Tensor = self.to_out[0](attend(self.to_q(x), key, value, self.heads))
        return out


class Gate(nn.Module):
    """The gated first half of a feed-forward layer (GEGLU)."""

    def __init__(self, bricks: Bricks, width: int) -> None:
        super().__init__()
        self.proj = bricks.linear(width, 8 * width)

    def forward(self, x: Tensor) -> Tensor:
        """[N, L, C] → [N, L, 4 · C]."""
        value, gate = self.proj(x).chunk(2, -1)
        out: Tensor = value * F.gelu(gate)
        return out


class FeedForward(nn.Module):
    """Two layers after each attention."""

    def __init__(self, bricks: Bricks, width: int) -> None:
        super().__init__()
        self.net = nn.ModuleList(
            [Gate(bricks, width), nn.Identity(), bricks.linear(4 * width, width)]
        )

    def forward(self, x: Tensor) -> Tensor:
        """[N, L, C] → [N, L, C]."""
        out: Tensor = self.net[2](self.net[0](x))
        return out


class ResidualBlock(nn.Module):
    """Two convolutions that know the noise level."""

    def __init__(self, bricks: Bricks, inner: int, outer: int, time_width: int) -> None:
        super().__init__()
        self.norm1 = bricks.group_norm(inner, 1e-5)
        self.conv1 = bricks.conv(inner, outer)
        self.time_emb_proj = bricks.linear(time_width, outer)
        self.norm2 = bricks.group_norm(outer, 1e-5)
        self.conv2 = bricks.conv(outer, outer)
        self.conv_shortcut = bricks.conv(inner, outer, 1) if inner != outer else None

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """[N, C, H, W] and the noise level [N, D] → [N, C', H, W]."""
        hidden = self.conv1(F.silu(self.norm1(x)))
        hidden = hidden + self.time_emb_proj(F.silu(time))[:, :, None, None]
        hidden = self.conv2(F.silu(self.norm2(hidden)))
        out: Tensor = hidden + (x if self.conv_shortcut is None else self.conv_shortcut(x))
        return out
