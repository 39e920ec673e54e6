"""A clip for the renderer: its conditions, and frames that are changed inside a region only.

Shapes: T frames of a clip, n of a chunk, S samples, L mel frames of a token window, M mel bands,
H W px of a frame, K landmarks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..speech import frame_count, frame_times, log_mel, to_mono
from ..types import Emotion
from .codec import PixelUnshuffle
from .region import refine_region
from .sample import Denoise, Sampling, sample
from .spatial import Banks

SPEECH_TOKENS = 16  # mel frames of 10 ms that a video frame hears, around its middle
SILENCE = -2.0  # what log_mel says of it


@dataclass(frozen=True, eq=False, kw_only=True)
class Clip:
    """What a clip is drawn after; None has no part in the result."""

    motion: Tensor | None = None  # [T, C, H, W] the motion frames' latents, as the VAE made them
    reference: Banks | None = None
    emotion: Tensor | None = None  # [T, 256] Z_emo
    speech: Tensor | None = None  # [T, L, M] speech features
    strength: float = 1.0  # 0: the motion frames as they are, 1: what the network says


@dataclass(frozen=True, eq=False, kw_only=True)
class Heard:
    """Emotion and speech of a clip as the network takes them, and what is to be said of them."""

    emotion: Tensor | None  # [T, 256]
    speech: Tensor | None  # [T, L, M]
    scene: Tensor | None  # [1, L, C] tokens of a text encoder
    remarks: tuple[str, ...]


def hear(
    trained: frozenset[str],
    frames: int,
    fps: float,
    *,
    emotion: Emotion | None = None,
    speech: tuple[Tensor, int] | None = None,
    scene: Tensor | None = None,
) -> Heard:
    """Conditions for the paths that have been trained; the others are left out, and said so.

    Args:
        trained: As `weights.trained_paths` says.
        frames: T of the motion frames.
        fps: Of the motion.
        emotion: What is felt.
        speech: Waveform [C, S] and sample rate in Hz.
        scene: [1, L, C] tokens of a text encoder, which the renderer must know.

    Raises:
        ValueError: Emotion or speech are of another length than the motion frames.
    """
    if emotion is not None and (len(emotion.embedding) != frames or emotion.fps != fps):
        raise ValueError(
            f"'emotion' has {len(emotion.embedding)} frames at {emotion.fps:g} fps, 'motion' "
            f"{frames} at {fps:g}. Make both from the same audio with the same 'fps'."
        )
    if speech is not None:
        spoken = frame_count(speech[0].shape[-1], speech[1], fps)
        if spoken != frames:
            raise ValueError(
                f"'audio' lasts {spoken} frames, 'motion' has {frames}. Connect the audio that "
                "the motion was made from."
            )
    remarks = []
    for name, path, given in (
        ("emotion", "emotion", emotion),
        ("audio", "speech", speech),
        ("scene", "scene", scene),
    ):
        if given is not None and path not in trained:
            remarks.append(f"'{name}' changes nothing: this renderer was not trained on it.")
    return Heard(
        emotion=emotion.embedding if emotion and "emotion" in trained else None,
        speech=speech_windows(*speech, frames, fps) if speech and "speech" in trained else None,
        scene=scene if "scene" in trained else None,
        remarks=tuple(remarks),
    )


def speech_windows(waveform: Tensor, sample_rate: int, frames: int, fps: float) -> Tensor:
    """Mel features around the middle of each video frame, [T, 16, 80]; silence beyond the ends."""
    mel = log_mel(to_mono(waveform, sample_rate))
    mel = F.pad(mel, (0, 0, SPEECH_TOKENS, SPEECH_TOKENS), value=SILENCE)
    middle = (frame_times(frames, fps) * 100).long()  # mel frames
    at = middle[:, None] + torch.arange(SPEECH_TOKENS) + SPEECH_TOKENS // 2
    return mel[at.clamp(max=len(mel) - 1)]


def shrink(frames: Tensor, side: int) -> Tensor:
    """Frames [n, H, W, 3] as the network sees them, [n, 3, side, side]."""
    picture = frames.permute(0, 3, 1, 2)
    if picture.shape[2:] == (side, side):
        return picture
    return F.interpolate(picture, (side, side), mode="bicubic", antialias=True).clamp(0, 1)


def changed(frames: Tensor, rendered: Tensor, share: Tensor) -> Tensor:
    """Frames with what the renderer changed; bit for bit the same where the share is 0.

    Args:
        frames: [n, H, W, 3] 0..1, the motion frames.
        rendered: [n, 3, side, side] 0..1, made from `shrink(frames, side)`.
        share: [n, H, W] 0..1, how much of the change is taken.

    Returns:
        [n, H, W, 3] 0..1. Detail of the frames beyond the network's resolution stays.
    """
    change = rendered - shrink(frames, rendered.shape[-1])
    if change.shape[2:] != frames.shape[1:3]:
        size = (frames.shape[1], frames.shape[2])
        change = F.interpolate(change, size, mode="bicubic", align_corners=False)
    taken = share[..., None]
    out = (frames + taken * change.permute(0, 2, 3, 1)).clamp(0, 1)
    return torch.where(taken > 0, out, frames)


def refine(
    frames: Iterable[Tensor],
    landmarks: Tensor,
    denoise: Denoise,
    *,
    codec: PixelUnshuffle,
    side: int,
    window: int,
    sampling: Sampling,
    parts: Sequence[str],
) -> Iterator[Tensor]:
    """A clip's frames [n, H, W, 3] as the renderer draws them, chunk by chunk, in order.

    Holds some windows of the clip at a time, however long it is.

    Args:
        frames: Motion frames in chunks [n, H, W, 3] 0..1, T in all.
        landmarks: [T, K, 2] px of the frames.
        denoise: The network under the clip's conditions.
        codec: Between pictures and latents.
        side: Of the picture that the network sees, in px.
        window: Frames that are denoised together.
        sampling: Steps, noise, seed, strength.
        parts: Of the face that may change.
    """
    if not sampling.levels or sampling.strength == 0 or not parts:
        yield from frames
        return
    waiting: deque[Tensor] = deque()

    def latents() -> Iterator[Tensor]:
        for chunk in frames:
            waiting.extend(chunk)
            yield codec.encode(shrink(chunk, side))

    done = 0
    for chunk in sample(denoise, latents(), len(landmarks), window, sampling):
        before = torch.stack([waiting.popleft() for _ in chunk])
        at = landmarks[done : done + len(chunk)]
        share = refine_region(at, before.shape[1], before.shape[2], parts).to(before)
        yield changed(before, codec.decode(chunk.float()), share)
        done += len(chunk)
