"""Pictures of any channels in one form."""

from __future__ import annotations

from torch import Tensor

_BEHIND = 0.5  # grey behind transparent pixels: what lies under them is undefined


def as_rgb(image: Tensor) -> Tensor:
    """The picture in three channels, [H, W, 3] float32 0..1.

    Args:
        image: [H, W, C] 0..1: grey (C = 1), colour (3), or colour and opacity (4), which is laid
            over grey.

    Raises:
        ValueError: Another number of channels.
    """
    channels = image.shape[-1]
    if channels not in (1, 3, 4):
        raise ValueError(f"'image' has {channels} channels. Connect a picture with 1, 3 or 4.")
    image = image.float().nan_to_num().clamp(0.0, 1.0)
    if channels == 4:
        return _BEHIND + (image[..., :3] - _BEHIND) * image[..., 3:]
    return image.expand(-1, -1, 3)
