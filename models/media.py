"""Pictures and sound read from files, as the pack's types hold them.

Shapes: H W pixels, C channels, S samples.
"""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

BEHIND = 0.5  # grey behind what is transparent


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
        return BEHIND + (image[..., :3] - BEHIND) * image[..., 3:]
    return image.expand(-1, -1, 3)


def read_image(path: Path | str) -> Tensor:
    """The picture as [H, W, 3] float32 0..1, upright, colours as stored.

    EXIF orientation is applied; grey becomes three equal channels; transparent parts lie over mid
    grey; 16 bits are kept for grey pictures; of an animation it is the first frame.

    Args:
        path: A file that Pillow can read.

    Raises:
        ValueError: The file is missing, no picture, damaged or too large.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"Picture '{path}' does not exist. Check the file name.")
    try:
        with Image.open(path) as file:
            file.load()
            image = ImageOps.exif_transpose(file)
    except UnidentifiedImageError as error:
        raise ValueError(
            f"'{path}' is not a picture that can be read. Use a PNG, JPEG or WebP file."
        ) from error
    except Image.DecompressionBombError as error:
        raise ValueError(
            f"Picture '{path}' is too large ({error}). Scale it down before using it."
        ) from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise ValueError(
            f"Picture '{path}' is damaged ({error}). Save it again as PNG or JPEG."
        ) from error
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        grey = np.asarray(image).astype(np.float32)
        if image.mode != "F":
            grey /= 65535.0
        return torch.from_numpy(grey).nan_to_num().clamp(0, 1)[..., None].repeat(1, 1, 3)
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        return as_rgb(torch.from_numpy(np.array(image.convert("RGBA"))).float() / 255)
    return torch.from_numpy(np.array(image.convert("RGB"))).float() / 255


def read_audio(path: Path | str) -> tuple[Tensor, int]:
    """The sound as it is, waveform [C, S] float32 -1..1, and its sample rate in Hz.

    Nothing is resampled, mixed or scaled beyond turning whole numbers into -1..1.

    Args:
        path: A sound file, or a video whose first sound track is taken.

    Raises:
        ValueError: The file is missing, holds no sound or cannot be decoded.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"Audio '{path}' does not exist. Check the file name.")
    pieces: list[Tensor] = []
    sample_rate = 0
    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                raise ValueError(
                    f"'{path}' holds no sound. Use a WAV, FLAC, MP3 or M4A file with speech."
                )
            for frame in container.decode(container.streams.audio[0]):
                sample_rate = frame.sample_rate
                pieces.append(_samples(frame))
    except av.error.FFmpegError as error:
        raise ValueError(
            f"'{path}' cannot be read as sound ({error.strerror}). Use a WAV, FLAC, MP3 or M4A "
            "file."
        ) from error
    if not pieces or sum(p.shape[1] for p in pieces) == 0:
        raise ValueError(f"Audio '{path}' is empty. Use a file with at least one sample.")
    if len({p.shape[0] for p in pieces}) > 1:
        raise ValueError(
            f"Audio '{path}' changes its number of channels on the way. Export it again as WAV."
        )
    return torch.cat(pieces, 1), sample_rate


def _samples(frame: av.AudioFrame) -> Tensor:
    """Samples of a decoded frame, [C, S] float32 -1..1."""
    samples = frame.to_ndarray()
    if not frame.format.is_planar:
        samples = samples.reshape(-1, frame.layout.nb_channels).T
    if samples.dtype == np.uint8:
        return torch.from_numpy((samples.astype(np.float32) - 128) / 128)
    if np.issubdtype(samples.dtype, np.integer):
        full = 2.0 ** (8 * samples.itemsize - 1)
        return torch.from_numpy((samples / full).astype(np.float32))
    return torch.from_numpy(samples.astype(np.float32))
