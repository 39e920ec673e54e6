"""Where faces are: BlazeFace, short range.

Shapes: B pictures, h w network pixels (multiples of 16), A anchors: two for each 8 px cell and six
for each 16 px cell. For 128 x 128 px A is 896.

Source: Bazarevsky et al., "BlazeFace" (arXiv 1907.05047); weights from Google's Face Landmarker
(Apache-2.0).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SIZE = 128  # network px, the side of the picture that the network was trained on
STRIDE = 16  # network px, height and width must be multiples of it
_WIDTHS = (24, 28, 32, 36, 42, 48, 56, 64, 72, 80, 88, 96, 96, 96, 96, 96)
_STRIDES = (1, 1, 2, 1, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1)
_FINE = 11  # after so many blocks the 8 px features are read


class _Block(nn.Module):
    """Depthwise and pointwise convolution beside a shortcut that is padded with zero channels."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.widened = channels_out - channels_in
        self.depthwise = nn.Conv2d(
            channels_in, channels_in, 3, stride, padding=2 - stride, groups=channels_in
        )
        self.pointwise = nn.Conv2d(channels_in, channels_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x
        if self.stride == 2:
            shortcut = F.max_pool2d(x, 2)
            x = F.pad(x, (0, 1, 0, 1))  # "same" padding as trained: right and bottom only
        shortcut = F.pad(shortcut, (0, 0, 0, 0, 0, self.widened))
        return F.relu(shortcut + self.pointwise(self.depthwise(x)))


class BlazeFace(nn.Module):
    """Score, box and six key points at every anchor of a picture."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, _WIDTHS[0], 5, 2)
        widths_in = (_WIDTHS[0], *_WIDTHS[:-1])
        self.blocks = nn.ModuleList(
            _Block(*sizes) for sizes in zip(widths_in, _WIDTHS, _STRIDES, strict=True)
        )
        self.fine_scores = nn.Conv2d(_WIDTHS[_FINE - 1], 2, 1)
        self.coarse_scores = nn.Conv2d(_WIDTHS[-1], 6, 1)
        self.fine_boxes = nn.Conv2d(_WIDTHS[_FINE - 1], 2 * 16, 1)
        self.coarse_boxes = nn.Conv2d(_WIDTHS[-1], 6 * 16, 1)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Where a face may be, in network px.

        Args:
            image: [B, 3, h, w] -1..1, h and w multiples of `STRIDE`.

        Returns:
            Shapes [B, A, 8, 2]: box centre, box size, then the key points right eye, left eye, nose
            tip, mouth centre, right ear, left ear (the subject's right); and scores [B, A] 0..1.
        """
        height, width = image.shape[-2:]
        x = F.relu(self.stem(F.pad(image, (1, 2, 1, 2))))
        fine = x
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index == _FINE - 1:
                fine = x
        logits = torch.cat([_rows(self.fine_scores(fine), 1), _rows(self.coarse_scores(x), 1)], 1)
        shapes = torch.cat([_rows(self.fine_boxes(fine), 16), _rows(self.coarse_boxes(x), 16)], 1)
        shapes = shapes.reshape(*shapes.shape[:2], 8, 2)
        anchors = torch.cat([_centres(height, width, 8, 2), _centres(height, width, 16, 6)])
        offset = anchors.to(shapes)[:, None].repeat(1, 8, 1)
        offset[:, 1] = 0  # the size is not relative to the anchor
        return shapes + offset, logits.squeeze(-1).clamp(-100, 100).sigmoid()


def _rows(maps: Tensor, values: int) -> Tensor:
    """Anchors of a feature map in reading order, [B, h·w·n, values]."""
    return maps.permute(0, 2, 3, 1).reshape(len(maps), -1, values)


def _centres(height: int, width: int, cell: int, repeats: int) -> Tensor:
    """Anchor centres x, y in network px, [A, 2]."""
    y = (torch.arange(height // cell) + 0.5) * cell
    x = (torch.arange(width // cell) + 0.5) * cell
    grid = torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1], -1)  # [h, w, 2]
    return grid.reshape(-1, 1, 2).repeat(1, repeats, 1).reshape(-1, 2)
