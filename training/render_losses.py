"""What the renderer's training punishes: differences that are seen, and being told from the truth.

Shapes: N pictures of a batch, H W px.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .render_windows import Spot


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    """What is punished how much."""

    square: float = 40.0  # weight of the squared difference, which large faults make up
    gradient: float = 0.05  # weight of the difference of neighbouring pixels
    grain: float = 0.15  # weight of the difference of pooled gradients, which blur cannot win
    still: float = 0.02  # weight of changes where nothing is to change
    adversary: float = 0.0  # weight of a discriminator of patches
    matching: float = 2.0  # of the difference of its features, times the adversary's weight


def picture_loss(
    picture: Tensor, target: Tensor, weight: Tensor, gradient: float, grain: float = 0.0
) -> Tensor:
    """Weighted absolute difference of [N, 3, H, W] pictures, and of their gradients.

    Args:
        picture: What was made.
        target: What it should be.
        weight: Of each pixel.
        gradient: Weight of the gradients' difference at each pixel.
        grain: Weight of the difference of how much gradient there is around a pixel, wherever it
            lies: blur loses this, and a detail that is a pixel off does not.
    """
    total = weight.sum().clamp(min=1e-6)
    loss = ((picture - target).abs() * weight).sum() / total
    for _ in range(2):
        for axis in (2, 3):
            ours, truth = picture.diff(dim=axis), target.diff(dim=axis)
            at = weight.narrow(axis, 1, weight.shape[axis] - 1)
            loss = loss + gradient * ((ours - truth).abs() * at).sum() / total
            if grain:
                much = F.avg_pool2d(ours.abs(), 7, 2) - F.avg_pool2d(truth.abs(), 7, 2)
                near = F.avg_pool2d(at, 7, 2)
                loss = loss + grain * (much.abs() * near).sum() / near.sum().clamp(min=1e-6)
        if not grain:
            break
        picture, target, weight = (F.avg_pool2d(one, 2) for one in (picture, target, weight))
        total = weight.sum().clamp(min=1e-6)
    return loss


class Adversary(nn.Module):
    """Tells windows of pictures from windows of made ones, patch by patch, beside motion frames."""

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        norm = nn.utils.parametrizations.spectral_norm
        self.layers = nn.ModuleList(
            norm(layer)
            for layer in (
                nn.Conv2d(6, width, 4, 2, 1),
                nn.Conv2d(width, 2 * width, 4, 2, 1),
                nn.Conv2d(2 * width, 3 * width, 3, 1, 1),
                nn.Conv2d(3 * width, 3 * width, 3, 1, 1),
            )
        )
        self.verdict = norm(nn.Conv2d(3 * width, 1, 3, 1, 1))

    def forward(self, picture: Tensor, motion: Tensor) -> tuple[Tensor, list[Tensor]]:
        """[N, 3, H, W] twice → scores [N, 1, H / 4, W / 4], and the features of each layer."""
        x = torch.cat((picture, motion), 1) * 2 - 1
        features = []
        for layer in self.layers:
            x = F.leaky_relu(layer(x), 0.2)
            features.append(x)
        out: Tensor = self.verdict(x)
        return out, features


def against_adversary(adversary: Adversary, spot: Spot, made: Tensor, matching: float) -> Tensor:
    """What the network pays for being told apart, and `matching` for features unlike the truth's.

    Source of the latter: pix2pixHD (arXiv 1711.11585).
    """
    score, ours = adversary(made, spot.motion)
    with torch.no_grad():
        _, truth = adversary(spot.target, spot.motion)
    share = F.avg_pool2d(spot.share, 4)
    total = share.sum().clamp(min=1e-6)
    loss = -(score * share).sum() / total
    for a, b in zip(ours, truth, strict=True):
        at = F.interpolate(spot.share, a.shape[2:], mode="area")
        off = ((a - b).abs() * at).sum() / (at.sum() * a.shape[1]).clamp(min=1e-6)
        loss = loss + matching * off / b.abs().mean().clamp(min=1e-6)
    return loss


def adversary_loss(adversary: Adversary, spot: Spot, made: Tensor) -> Tensor:
    """What the adversary pays for not telling them apart."""
    share = F.avg_pool2d(spot.share, 4)
    real, fake = (adversary(one, spot.motion)[0] for one in (spot.target, made.detach()))
    told = ((1 - real).relu() + (1 + fake).relu()) * share
    return told.sum() / share.sum().clamp(min=1e-6)
