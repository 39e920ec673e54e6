"""Pictures in one form: [H, W, 3] float32 0..1."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
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


def load_picture(path: Path) -> Tensor:
    """A picture file, the way up it was taken, [H, W, 3] float32 0..1.

    Args:
        path: Any format that Pillow reads.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is not a picture.
    """
    if not path.is_file():
        raise FileNotFoundError(f"There is no picture '{path}'. Check the path.")
    try:
        with Image.open(path) as file:
            upright = ImageOps.exif_transpose(file).convert("RGBA")
    except (UnidentifiedImageError, OSError) as error:
        raise ValueError(
            f"'{path.name}' cannot be read as a picture ({error}). Save it as PNG or JPEG."
        ) from error
    return as_rgb(torch.from_numpy(np.array(upright)).float() / 255.0)
