"""Motion from speech: mel features → lips, and a head and eyes that live along.

Shapes: B clips, L mel frames (100 a second), T video frames, C = 52 coefficients, M mel bands.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from .. import speech
from ..checkpoint import WEIGHTS, fill_module, load_checkpoint
from ..types import ARKIT_NAMES, Emotion, Motion
from . import lips as lip
from .dials import STANDARD, Dials, dial_tracks
from .expression import emotion_on_clock
from .liveliness import blink_track, gesture_track, head_track, loudness, speaking

FORMAT = "synchrorama.audio_to_motion"
RATE = 100  # frames a second of mel features and of what the network says
SETTLE = 4  # mel frames (40 ms) by which the mouth begins to close before a pause


@dataclass(frozen=True, kw_only=True)
class AudioToMotionConfig:
    """Sizes of the network."""

    width: int = 112  # channels of the trunk
    kernel: int = 3  # taps of each convolution, odd
    dilations: tuple[int, ...] = (1, 2, 4, 8, 1, 2, 4)  # one residual block each

    def __post_init__(self) -> None:
        if self.kernel % 2 == 0 or self.width < 1 or not self.dilations:
            raise ValueError(
                f"AudioToMotionConfig has width {self.width}, kernel {self.kernel} and "
                f"{len(self.dilations)} dilations. Use at least 1, an odd number, and at least 1."
            )

    @property
    def reach(self) -> int:
        """How many frames before and after a frame the network hears at most; even."""
        return 2 * (self.kernel // 2) * (1 + sum(self.dilations)) + 2


TINY = AudioToMotionConfig(width=8, dilations=(1, 2))
BUILTIN = AudioToMotionConfig()


class Block(nn.Module):
    """A dilated convolution and a pointwise one, added to what came in."""

    def __init__(self, width: int, kernel: int, dilation: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.wide = nn.Conv1d(
            width, width, kernel, dilation=dilation, padding=dilation * (kernel // 2)
        )
        self.mix = nn.Conv1d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[B, W, L] → [B, W, L]."""
        normed = self.norm(x.transpose(1, 2)).transpose(1, 2)  # per frame, so windows agree
        out: Tensor = x + self.mix(nn.functional.gelu(self.wide(normed)))
        return out


class AudioToMotion(nn.Module):
    """A temporal convolution over mel features that hears half a second to each side.

    It looks at the sound every 20 ms and says three things for each 10 ms: the shape of the mouth,
    whether the lips are closed, and whether somebody speaks. Keeping the last two apart keeps
    closures whole: an average of closed and open would be half open.
    """

    def __init__(self, config: AudioToMotionConfig = BUILTIN) -> None:
        super().__init__()
        self.config = config
        self.stem = nn.Conv1d(speech.MELS, config.width, 4, stride=2, padding=1)
        self.blocks = nn.ModuleList(
            Block(config.width, config.kernel, dilation) for dilation in config.dilations
        )
        self.norm = nn.LayerNorm(config.width)
        self.head = nn.Conv1d(
            config.width, 2 * (len(lip.SHAPES) + 2), config.kernel, padding=config.kernel // 2
        )

    @classmethod
    def from_checkpoint(cls, path: Path = WEIGHTS / "audio_to_motion.safetensors") -> AudioToMotion:
        """The network with trained weights, on the CPU, for inference.

        Raises:
            CheckpointError: The file is missing, cut short, or of another kind.
        """
        tensors, config = load_checkpoint(path, FORMAT)
        config["dilations"] = tuple(config["dilations"])
        model = cls(AudioToMotionConfig(**config))
        fill_module(model, tensors, path.name)
        return model

    def config_dict(self) -> dict[str, object]:
        """The config as plain values for the checkpoint's header."""
        return asdict(self.config)

    def features(self, mel: Tensor) -> Tensor:
        """What the trunk hears, [B, W, ceil(L / 2)].

        Args:
            mel: [B, L, 80] from `speech.log_mel`.
        """
        odd = mel.shape[1] % 2
        heard = nn.functional.pad(mel + 2.0, (0, 0, 0, odd))  # silence is 0, as is padding
        x: Tensor = self.stem(heard.transpose(1, 2))
        for block in self.blocks:
            x = block(x)
        out: Tensor = self.norm(x.transpose(1, 2)).transpose(1, 2)
        return out

    def logits(self, mel: Tensor) -> Tensor:
        """Raw outputs [B, L, 11]: the SHAPES, then closure and activity as logits.

        Args:
            mel: [B, L, 80] from `speech.log_mel`.
        """
        return self.read_out(self.features(mel))[:, : mel.shape[1]]

    def read_out(self, features: Tensor) -> Tensor:
        """Raw outputs [B, 2 N, 11] of `features` [B, W, N]."""
        pairs = self.head(features).transpose(1, 2)  # [B, N, 2 * 11]
        out: Tensor = pairs.reshape(pairs.shape[0], -1, len(lip.SHAPES) + 2)
        return out

    def articulate(self, mel: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What the mouth does: shapes [B, L, 9], closure [B, L], activity [B, L], each 0..1."""
        raw = self.logits(mel)
        closure = _sure(raw[..., -2].sigmoid(), 0.1, 0.8)
        activity = _sure(raw[..., -1].sigmoid(), 0.35, 0.9)
        return raw[..., :-2].clamp(0.0, 1.0), closure, activity

    def forward(self, mel: Tensor) -> Tensor:
        """Coefficients [B, L, 52] of a face at rest that speaks, 100 a second.

        Args:
            mel: [B, L, 80] from `speech.log_mel`.
        """
        return lip.compose(mel.new_zeros(len(ARKIT_NAMES)), *self.articulate(mel))


def _sure(probability: Tensor, low: float, high: float) -> Tensor:
    """A probability made decided: 0 below low, 1 above high, smooth between."""
    x = ((probability - low) / (high - low)).clamp(0.0, 1.0)
    return x * x * (3.0 - 2.0 * x)


def articulate_in_windows(
    model: AudioToMotion,
    mel: Tensor,
    *,
    window: int = 3000,
    on_step: Callable[[int, int], None] | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """What `model.articulate` says of a whole clip, in flat memory and without seams.

    Each window is given as much sound on both sides as the network hears.

    Args:
        model: On any device.
        mel: [L, 80] of one clip.
        window: Frames at a time, even.
        on_step: Called with (windows done, windows in all) after each; may raise to cancel.

    Returns:
        Shapes [L, 9], closure [L] and activity [L], float32 on the CPU.
    """
    weight = model.head.weight
    reach, total = model.config.reach, mel.shape[0]
    starts = range(0, total, window)
    parts: list[tuple[Tensor, Tensor, Tensor]] = []
    for step, start in enumerate(starts):
        stop = min(start + window, total)
        low, high = max(0, start - reach), min(total, stop + reach)
        with torch.no_grad():
            said = model.articulate(mel[None, low:high].to(weight.device, weight.dtype))
        shapes, closure, activity = (x[0, start - low : stop - low].float().cpu() for x in said)
        parts.append((shapes, closure, activity))
        if on_step is not None:
            on_step(step + 1, len(starts))
    return (
        torch.cat([p[0] for p in parts]),
        torch.cat([p[1] for p in parts]),
        torch.cat([p[2] for p in parts]),
    )


def to_video_clock(track: Tensor, times: Tensor, *, reach_s: float = 0.0) -> Tensor:
    """A 100 Hz track at given times, [T, ...]: linear between frames, or the greatest around.

    Args:
        track: [L, ...], frame i at (i + 0.5) / 100 s.
        times: [T] seconds, float64.
        reach_s: With more than 0, the greatest value within this many seconds to either side, so
            that what is short and must be seen (a closure) is not stepped over.
    """
    flat = track.reshape(track.shape[0], -1)

    def at(moments: Tensor) -> Tensor:
        position = (moments * RATE - 0.5).clamp(0.0, track.shape[0] - 1.0)
        low = position.floor().long()
        high = (low + 1).clamp_max(track.shape[0] - 1)
        share = (position - low).float()[:, None]
        return flat[low] * (1.0 - share) + flat[high] * share

    out = at(times)
    steps = round(reach_s * 200)  # look every 5 ms
    for step in range(-steps, steps + 1):
        out = torch.maximum(out, at(times + reach_s * step / max(steps, 1)))
    return out.reshape(times.shape[0], *track.shape[1:])


def motion_from_audio(
    model: AudioToMotion,
    waveform: Tensor,
    sample_rate: int,
    *,
    fps: float = 25.0,
    seed: int = 0,
    temperature: float = 1.0,
    rest: Tensor | None = None,
    emotion: Emotion | None = None,
    dials: Dials = STANDARD,
    keyframes: str = "",
    on_step: Callable[[int, int], None] | None = None,
) -> Motion:
    """Lips that speak the audio, gentle head motion, blinks and brows.

    The seed changes head, blinks and brows, never the lips.

    Args:
        model: From `AudioToMotion.from_checkpoint`.
        waveform: [1, C, S], [C, S] or [S].
        sample_rate: In Hz.
        fps: Video frames a second, 8 to 60.
        seed: Of head, blinks and brows.
        temperature: How much chance there is, 0 (the most usual motion) to 2.
        rest: [52] the photo's own coefficients (Portrait.head.expression); speech is put on top of
            it and silence returns to it. None: a relaxed face with closed lips.
        emotion: What is felt, as long as the audio; None: nothing.
        dials: How much of each part is shown.
        keyframes: Dials over time, a line each: "1.5 head 0.5".
        on_step: Called with (windows done, windows in all) after each; may raise to cancel.

    Returns:
        A Motion of ceil(seconds · fps) frames.

    Raises:
        ValueError: The audio is empty, a batch, not finite; fps, temperature, rest or a keyframe is
            out of range; the emotion is of another length.
    """
    if not 0.0 <= temperature <= 2.0:
        raise ValueError(f"'temperature' is {temperature:g}. Use a value from 0 to 2.")
    own = torch.zeros(len(ARKIT_NAMES)) if rest is None else rest.detach().float().cpu()
    if own.shape != (len(ARKIT_NAMES),):
        raise ValueError(
            f"'rest' has shape {list(own.shape)}, needed is [{len(ARKIT_NAMES)}]. Connect the "
            "expression of a prepared portrait."
        )
    mono = speech.to_mono(waveform, sample_rate)
    frames = speech.frame_count(waveform.shape[-1], sample_rate, fps)
    times = speech.frame_times(frames, fps)
    dial = dial_tracks(dials, keyframes, times)
    if emotion is not None:
        emotion_on_clock(emotion, frames, fps)
    mel = speech.log_mel(mono)
    shapes, closure, activity = articulate_in_windows(model, mel, on_step=on_step)

    amount = dial["lips"].clamp_max(1.0)
    ahead = nn.functional.pad(-activity[None], (0, SETTLE), value=-torch.inf)
    activity = -nn.functional.max_pool1d(ahead, SETTLE + 1, 1)[0]  # close as the sound ends
    spoken = to_video_clock(activity, times)
    # closures last 40 ms and more: frames further apart look around so as to miss none
    reach_s = min(max(0.5 / fps - 0.02, 0.0), 0.025)
    closed = to_video_clock(closure, times, reach_s=reach_s)
    coefficients = lip.compose(
        own,
        (to_video_clock(shapes, times) * dial["lips"][:, None]).clamp(0.0, 1.0),
        closed * amount,
        spoken * amount,
    )

    loud = to_video_clock(loudness(mel) * activity, times)
    talking = speaking(spoken, fps)
    rotation, translation = head_track(loud, talking, fps, seed)
    blink = blink_track(spoken, fps, seed) * dial["blinks"]
    brows = gesture_track(loud, fps, seed) * dial["brows"]
    for name in ("eyeBlinkLeft", "eyeBlinkRight"):
        column = ARKIT_NAMES.index(name)
        coefficients[:, column] += (1.0 - coefficients[:, column]) * blink.clamp(0.0, 1.0)
    for name, share in (("browInnerUp", 1.0), ("browOuterUpLeft", 0.7), ("browOuterUpRight", 0.7)):
        column = ARKIT_NAMES.index(name)
        coefficients[:, column] += brows * share
    return Motion(
        coefficients=coefficients.clamp(0.0, 1.0),
        head_rotation=rotation * dial["head"][:, None],
        head_translation=translation * dial["head"][:, None],
        fps=fps,
    )
