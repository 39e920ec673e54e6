"""Frames and sound written to an mp4 file as they come.

Shapes: b frames of a chunk, H W pixels, C channels, S samples.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..speech import exact_fps

# Sample rates that AAC knows; others are resampled to the next one up.
AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)
LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "4.0", 5: "5.0", 6: "5.1", 8: "7.1"}
BT709 = 1  # colour space, primaries and transfer, in ISO/IEC 23091-2
LIMITED = 1  # colour range 16..235


def write_video(
    path: Path | str,
    chunks: Iterable[Tensor],
    *,
    fps: float,
    waveform: Tensor | None = None,
    sample_rate: int | None = None,
    crf: float = 16.0,
) -> int:
    """Write an mp4 of H.264 and AAC; return its number of frames.

    Only the chunk at hand is held in memory. The file appears under its name when it is complete;
    a run that ends early leaves nothing behind. An odd width or height is made even by repeating
    the last column or row.

    Args:
        path: File to write, replaced if it is there.
        chunks: Frames in order, [b, H, W, 3] 0..1 each, all of one size.
        fps: Frames a second, 8 to 60; 23.976 and the like are taken as n/1001.
        waveform: [C, S] or [1, C, S], about -1..1, written whole, or None for a silent film.
        sample_rate: Of the waveform, in Hz.
        crf: Quality of H.264, 0 (lossless) to 51; 16 is next to invisible.

    Raises:
        ValueError: fps or crf is out of range, frames are missing, of no picture's shape or of
            changing size, or the audio is empty, not finite, or not [C, S] with a sample rate.
        OSError: The file cannot be written.
    """
    path = Path(path)
    if not 8.0 <= fps <= 60.0:
        raise ValueError(f"'fps' is {fps:g}. Use a value from 8 to 60.")
    if not 0.0 <= crf <= 51.0:
        raise ValueError(f"'crf' is {crf:g}. Use a value from 0 to 51; smaller is better.")
    if path.is_dir() or not path.parent.is_dir():
        what = "is a folder" if path.is_dir() else "is in a folder that does not exist"
        raise OSError(f"Output '{path}' {what}. Choose a file name in an existing folder.")
    sound = None if waveform is None else _sound(waveform, sample_rate)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        try:
            container = av.open(str(part), "w", format="mp4", options={"movflags": "+faststart"})
        except OSError as error:
            raise _unwritable(path, error) from error
        with container:
            writer = _Writer(container, exact_fps(fps), sound, sample_rate or 0, crf)
            for chunk in chunks:
                writer.add(chunk)
            writer.finish()
        part.replace(path)
    except av.error.FFmpegError as error:
        raise _unwritable(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
    return writer.frames


def yuv420(image: Tensor) -> Tensor:
    """A picture's planes Y, U, V in limited-range BT.709, one after another, [1.5 H, W] uint8.

    Rounds to the nearest, where libswscale darkens by one level. An odd height or width is made
    even by repeating the border. Chroma lies on the left pixel of each pair, as H.264 assumes.

    Args:
        image: [3, H, W] 0..1.

    Source: ITU-R BT.709-6, items 3.2 to 3.5.
    """
    height, width = image.shape[1:]
    image = image.nan_to_num().clamp(0, 1)[None]
    image = F.pad(image, (0, width % 2, 0, height % 2), mode="replicate")[0]
    r, g, b = image
    y = 0.2126 * r + 0.7152 * g + 0.0722 * b
    chroma = torch.stack([(b - y) / 1.8556, (r - y) / 1.5748])  # [2, H, W] -0.5..0.5
    chroma = (chroma[:, 0::2] + chroma[:, 1::2]) / 2
    left = F.pad(chroma, (1, 0), mode="replicate")[..., 0:-1:2]
    chroma = left / 4 + chroma[..., 0::2] / 2 + chroma[..., 1::2] / 4  # [2, H/2, W/2]
    planes = torch.cat([(16 + 219 * y).flatten(), (128 + 224 * chroma).flatten()])
    return planes.round().to(torch.uint8).reshape(-1, y.shape[1])


def _unwritable(path: Path, error: OSError | av.error.FFmpegError) -> OSError:
    reason = getattr(error, "strerror", None) or str(error)
    return OSError(
        f"Output '{path}' cannot be written ({reason}). Check the folder's permissions and free "
        "space, or choose another file."
    )


def _sound(waveform: Tensor, sample_rate: int | None) -> np.ndarray[tuple[int, ...], np.dtype]:
    """The waveform as [C, S] float32, checked."""
    if waveform.ndim == 3 and waveform.shape[0] == 1:
        waveform = waveform[0]
    if waveform.ndim != 2 or waveform.shape[0] not in LAYOUTS:
        raise ValueError(
            f"'audio' has shape {list(waveform.shape)}, needed is [channels, samples] with 1 to 6 "
            "or 8 channels. Give one clip, mono or stereo."
        )
    if not sample_rate or sample_rate <= 0:
        raise ValueError("'audio' comes without a sample rate. Give 'sample_rate' in Hz.")
    if waveform.shape[1] == 0:
        raise ValueError("'audio' is empty. Connect audio that is at least one sample long.")
    if not bool(torch.isfinite(waveform).all()):
        raise ValueError(
            "'audio' holds samples that are not numbers (NaN or infinite). Export the audio again."
        )
    return waveform.detach().cpu().to(torch.float32).contiguous().numpy()


class _Writer:
    """One open mp4: frames go in as they come, the sound alongside, up to the same moment."""

    def __init__(
        self,
        container: av.container.OutputContainer,
        fps: Fraction,
        sound: np.ndarray | None,
        sample_rate: int,
        crf: float,
    ) -> None:
        self.container = container
        self.fps = fps
        self.frames = 0
        self.size: tuple[int, int] | None = None  # height, width
        self.sound = sound
        self.sample_rate = sample_rate
        self.written = 0  # samples
        self.picture = container.add_stream(
            "libx264", rate=fps, options={"crf": f"{crf:g}", "preset": "medium"}
        )
        self.picture.pix_fmt = "yuv420p"
        context = self.picture.codec_context
        context.time_base = 1 / fps
        context.colorspace = BT709
        context.color_primaries = BT709
        context.color_trc = BT709
        context.color_range = LIMITED
        self.track = None
        if sound is not None:
            rate = next((r for r in AAC_RATES if r >= sample_rate), AAC_RATES[-1])
            self.track = container.add_stream("aac", rate=rate, layout=LAYOUTS[sound.shape[0]])
            self.track.bit_rate = 128_000 * sound.shape[0]
            self.resampler = av.AudioResampler(
                "fltp", LAYOUTS[sound.shape[0]], rate, self.track.codec_context.frame_size or 1024
            )

    def add(self, chunk: Tensor) -> None:
        """Encode the frames of a chunk, and the sound up to their end."""
        if chunk.ndim != 4 or chunk.shape[3] != 3 or 0 in chunk.shape[1:]:
            raise ValueError(
                f"'frames' has shape {list(chunk.shape)}, needed is [frames, height, width, 3]. "
                "Connect IMAGE frames in colour."
            )
        height, width = chunk.shape[1:3]
        if self.size is None:
            self.size = (height, width)
            self.picture.height, self.picture.width = height + height % 2, width + width % 2
        if self.size != (height, width):
            raise ValueError(
                f"'frames' changed their size from {self.size[1]}×{self.size[0]} to "
                f"{width}×{height} pixels. Give all frames of one video the same size."
            )
        for frame in chunk:
            planes = yuv420(frame.detach().cpu().float().permute(2, 0, 1).contiguous())
            picture = av.VideoFrame.from_ndarray(planes.numpy(), format="yuv420p")
            picture.colorspace, picture.color_range = BT709, LIMITED
            picture.pts = self.frames
            picture.time_base = 1 / self.fps
            self.container.mux(self.picture.encode(picture))
            self.frames += 1
        self._add_sound(int(self.frames / self.fps * self.sample_rate))

    def _add_sound(self, until: int) -> None:
        if self.sound is None or self.track is None:
            return
        piece = self.sound[:, self.written : until]
        if piece.shape[1] == 0:
            return
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(piece), "fltp", LAYOUTS[self.sound.shape[0]]
        )
        frame.sample_rate = self.sample_rate
        frame.pts = self.written
        frame.time_base = Fraction(1, self.sample_rate)
        self.written += piece.shape[1]
        for ready in self.resampler.resample(frame):
            self.container.mux(self.track.encode(ready))

    def finish(self) -> None:
        """Encode the rest of the sound and flush both streams."""
        if self.frames == 0:
            raise ValueError("'frames' is empty. A video needs at least one frame.")
        self.container.mux(self.picture.encode(None))
        if self.sound is not None and self.track is not None:
            self._add_sound(self.sound.shape[1])
            for ready in self.resampler.resample(None):
                self.container.mux(self.track.encode(ready))
            self.container.mux(self.track.encode(None))
