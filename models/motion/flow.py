"""A volume-preserving normalising flow over sequences, the prior of the gestures.

Shapes: B clips, Z channels of the latent, N latent frames, W channels of the condition.

Each layer moves one half of the channels by an amount that the other half and the condition say,
then the halves change places: nothing is stretched, so the density needs no determinant.
Source: Dinh et al., "NICE", 2014, for additive coupling; Kim et al., "Conditional variational
autoencoder with adversarial learning for end-to-end text-to-speech" (VITS), ICML 2021, for its use
as a conditional prior; Ren et al., "PortaSpeech", NeurIPS 2021, for volume preservation.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .articulation import Block


class ResidualCoupling(nn.Module):
    """Moves the second half of the channels by what the first half and the condition say."""

    def __init__(
        self, channels: int, width: int, condition: int, dilations: tuple[int, ...]
    ) -> None:
        super().__init__()
        self.first = channels // 2
        self.enter = nn.Conv1d(self.first, width, 1)
        self.given = nn.Conv1d(condition, width, 1)
        self.blocks = nn.ModuleList(Block(width, 3, dilation) for dilation in dilations)
        self.leave = nn.Conv1d(width, self.first, 1)
        nn.init.zeros_(self.leave.weight)  # the flow begins as the identity
        if self.leave.bias is not None:
            nn.init.zeros_(self.leave.bias)

    def forward(self, x: Tensor, condition: Tensor, *, backwards: bool = False) -> Tensor:
        """[B, Z, N] → [B, Z, N], given a condition [B, W, N]."""
        first, second = x[:, : self.first], x[:, self.first :]
        h = self.enter(first) + self.given(condition)
        for block in self.blocks:
            h = block(h)
        shift = self.leave(h)
        return torch.cat([first, second - shift if backwards else second + shift], 1)


class Flow(nn.Module):
    """Residual couplings with flips, between the latent and plain Gaussian noise."""

    def __init__(
        self,
        channels: int,
        condition: int,
        *,
        layers: int,
        width: int,
        dilations: tuple[int, ...] = (1, 2, 4),
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            ResidualCoupling(channels, width, condition, dilations) for _ in range(layers)
        )

    def forward(self, latent: Tensor, condition: Tensor) -> Tensor:
        """Noise [B, Z, N] of a latent [B, Z, N], given a condition [B, W, N]."""
        x = latent
        for layer in self.layers:
            x = layer(x, condition).flip(1)
        return x

    def inverse(self, noise: Tensor, condition: Tensor) -> Tensor:
        """The latent [B, Z, N] of noise [B, Z, N]; undoes `forward` exactly."""
        x = noise
        for layer in reversed(self.layers):
            x = layer(x.flip(1), condition, backwards=True)
        return x
