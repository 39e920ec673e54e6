"""SyncLoss: does this movement of the mouth belong to this sound? InfoNCE between windows of both.

Shapes: B clips, L mel frames (100 a second), N = L / 4 windows (25 a second), D channels.

The judge learns from the true movement only and is held fast while it judges a prediction, so a
prediction cannot please it by writing the sound into the mouth's shapes.
Source: van den Oord et al., "Representation learning with contrastive predictive coding", 2018
(InfoNCE); Prajwal et al., "A lip sync expert is all you need", ACM Multimedia 2020, for a judge
that never learns from predictions.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..models import speech
from ..models.motion.lips import SHAPES

NEAR = 2  # windows within 80 ms of each other are neither right nor wrong


def _listener(channels: int, width: int) -> nn.Sequential:
    """Windows of 0.4 s, 25 a second: [B, channels, L] → [B, width, N]."""
    return nn.Sequential(
        nn.Conv1d(channels, width, 4, stride=4),
        nn.GELU(),
        nn.Conv1d(width, width, 5, padding=2),
        nn.GELU(),
        nn.Conv1d(width, width, 5, padding=2),
    )


class SyncJudge(nn.Module):
    """Sound and mouth in one space, in which what happens together lies together."""

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        self.hears = _listener(speech.MELS, width)
        self.sees = _listener(len(SHAPES) + 2, width)

    def forward(self, mel: Tensor, mouth: Tensor, *, fixed: bool = False) -> Tensor:
        """InfoNCE: how hard it is to find each window's partner in the same clip, both ways.

        Args:
            mel: [B, L, 80].
            mouth: [B, L, 11] shapes, closure and activity, 0..1.
            fixed: Judge without learning; the gradient goes to the mouth only.
        """
        held = {k: v.detach() for k, v in self.sees.named_parameters()}
        seen_in = mouth.transpose(1, 2)
        if fixed:
            with torch.no_grad():
                heard = self.hears((mel + 2.0).transpose(1, 2))
            seen = torch.func.functional_call(self.sees, held, (seen_in,))
        else:
            heard, seen = self.hears((mel + 2.0).transpose(1, 2)), self.sees(seen_in)
        # what all windows of a clip share says nothing about when
        heard, seen = (x - x.mean(2, keepdim=True) for x in (heard, seen))
        heard = nn.functional.normalize(heard, dim=1)  # [B, D, N]
        seen = nn.functional.normalize(seen, dim=1)
        likeness = heard.transpose(1, 2) @ seen / 0.1  # [B, N, N]
        count = likeness.shape[1]
        place = torch.arange(count, device=likeness.device)
        apart = (place[:, None] - place).abs()
        likeness = likeness.masked_fill((apart > 0) & (apart <= NEAR), -torch.inf)
        partner = place.expand(likeness.shape[0], count).flatten()
        ways = (likeness, likeness.transpose(1, 2))
        losses = [nn.functional.cross_entropy(way.flatten(0, 1), partner) for way in ways]
        return (losses[0] + losses[1]) / 2.0
