"""ARKit coefficients from landmarks: a small MLP-mixer.

Shapes: B faces.

Source: Grishchenko et al., "Blendshapes GHUM" (arXiv 2309.05782), with the mixer of Tolstikhin et
al. (arXiv 2105.01601); weights from Google's Face Landmarker (Apache-2.0).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..types import ARKIT_NAMES

# The landmarks that the network reads, in its order: brows, eyes, lips, oval, nose and irises.
# fmt: off
INDICES = (
    0, 1, 4, 5, 6, 7, 8, 10, 13, 14, 17, 21, 33, 37, 39, 40, 46, 52, 53, 54, 55, 58, 61, 63, 65,
    66, 67, 70, 78, 80, 81, 82, 84, 87, 88, 91, 93, 95, 103, 105, 107, 109, 127, 132, 133, 136,
    144, 145, 146, 148, 149, 150, 152, 153, 154, 155, 157, 158, 159, 160, 161, 162, 163, 168, 172,
    173, 176, 178, 181, 185, 191, 195, 197, 234, 246, 249, 251, 263, 267, 269, 270, 276, 282, 283,
    284, 285, 288, 291, 293, 295, 296, 297, 300, 308, 310, 311, 312, 314, 317, 318, 321, 323, 324,
    332, 334, 336, 338, 356, 361, 362, 365, 373, 374, 375, 377, 378, 379, 380, 381, 382, 384, 385,
    386, 387, 388, 389, 390, 397, 398, 400, 402, 405, 409, 415, 454, 466, 468, 469, 470, 471, 472,
    473, 474, 475, 476, 477,
)
# fmt: on

# What the network scores, in its order; it knows no tongueOut.
SCORES = ("_neutral", *sorted(set(ARKIT_NAMES) - {"tongueOut"}))

_TOKENS, _WIDTH, _BLOCKS = 96, 64, 4


class _Mixer(nn.Module):
    """Mixes across tokens, then within each token."""

    def __init__(self) -> None:
        super().__init__()
        self.token_norm = nn.LayerNorm(_WIDTH, eps=1e-6, bias=False)
        self.token_mlp = nn.Sequential(
            nn.Linear(_TOKENS + 1, 4 * _TOKENS), nn.ReLU(), nn.Linear(4 * _TOKENS, _TOKENS + 1)
        )
        self.width_norm = nn.LayerNorm(_WIDTH, eps=1e-6, bias=False)
        self.width_mlp = nn.Sequential(
            nn.Linear(_WIDTH, 4 * _WIDTH), nn.ReLU(), nn.Linear(4 * _WIDTH, _WIDTH)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.token_mlp(self.token_norm(x).mT).mT
        out: Tensor = x + self.width_mlp(self.width_norm(x))
        return out


class BlendshapeMixer(nn.Module):
    """Scores of the 52 classes of `SCORES` from the landmarks' places in the picture."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = nn.Linear(len(INDICES), _TOKENS)
        self.embed = nn.Linear(2, _WIDTH)
        self.score_token = nn.Parameter(torch.zeros(1, 1, _WIDTH))
        self.blocks = nn.Sequential(*(_Mixer() for _ in range(_BLOCKS)))
        self.scores = nn.Linear(_WIDTH, len(SCORES))

    def forward(self, landmarks: Tensor) -> Tensor:
        """Coefficients [B, 52] 0..1 in ARKIT_NAMES order; tongueOut is always 0.

        Args:
            landmarks: [B, 478, 2 or 3] px of the picture; its size and place do not matter.
        """
        points = landmarks[:, list(INDICES), :2]
        points = points - points.mean(1, keepdim=True)
        points = 0.5 * points / points.norm(dim=-1, keepdim=True).mean(1, keepdim=True)
        x = self.embed(self.tokens(points.mT).mT)  # [B, 96, 64]
        x = self.blocks(torch.cat([self.score_token.expand(len(x), -1, -1), x], 1))
        scores: Tensor = self.scores(x[:, 0]).sigmoid()
        coefficients = scores.new_zeros(len(x), len(ARKIT_NAMES))
        known = [index for index, name in enumerate(ARKIT_NAMES) if name in SCORES]
        coefficients[:, known] = scores[:, [SCORES.index(ARKIT_NAMES[index]) for index in known]]
        return coefficients
