"""Motion from speech: lips that say it, and a head, eyes and a face that live along.

Three things are put together: what the mouth does, which the sound decides (articulation.py); a
take of head, brows and expression, drawn given the voice and the emotion (gestures.py); and
moments that come or do not come, blinks and glances, drawn by rules (liveliness.py).

Shapes: L mel frames (100 a second), T video frames, C = 52 coefficients, U gesture frames (25 a
second).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .. import speech
from ..checkpoint import WEIGHTS, fill_module, load_checkpoint
from ..types import ARKIT_INDEX, ARKIT_NAMES, Emotion, Motion
from . import gestures as gesture
from . import lips as lip
from .articulation import (
    RATE,
    Articulation,
    ArticulationConfig,
    among_speech,
    articulate_in_windows,
    contrasted,
    crisp,
    except_in_silence,
    without_dips,
)
from .dials import STANDARD, Dials, dial_tracks
from .expression import calm, emotion_at, faded, rest_under
from .gestures import Gestures, GesturesConfig, gestures_in_windows, prosody_of
from .listener import Listener
from .liveliness import (
    add_blinks,
    add_gaze,
    blink_track,
    glance_track,
    loudness,
    settle,
)

FORMAT = "synchrorama.audio_to_motion"
HUSH_S = 0.1  # from the first frame, in which the lips are the photo's, until they may be closed
SETTLE = 4  # mel frames (40 ms) by which the mouth begins to close before a pause


@dataclass(frozen=True, kw_only=True)
class AudioToMotionConfig:
    """Sizes of both networks."""

    articulation: ArticulationConfig = field(default_factory=ArticulationConfig)
    gestures: GesturesConfig = field(default_factory=GesturesConfig)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> AudioToMotionConfig:
        """The config of plain values, as `asdict` and JSON give them."""

        def plain(part: Mapping[str, Any]) -> dict[str, Any]:
            return {k: tuple(v) if isinstance(v, list) else v for k, v in part.items()}

        return cls(
            articulation=ArticulationConfig(**plain(values["articulation"])),
            gestures=GesturesConfig(**plain(values["gestures"])),
        )


BUILTIN = AudioToMotionConfig()
TINY = AudioToMotionConfig(
    articulation=ArticulationConfig(width=8, dilations=(1, 2)),
    gestures=GesturesConfig(
        width=8, latent=4, couplings=2, coupling_width=8, hears=(1,), slow=(1, 2), fast=(1,)
    ),
)


class AudioToMotion(nn.Module):
    """The two networks of stage 4 that learn: what the mouth says and what the face adds."""

    def __init__(self, config: AudioToMotionConfig = BUILTIN) -> None:
        super().__init__()
        self.config = config
        self.articulation = Articulation(config.articulation)
        self.gestures = Gestures(config.gestures)

    @classmethod
    def from_checkpoint(cls, path: Path = WEIGHTS / "audio_to_motion.safetensors") -> AudioToMotion:
        """The networks with trained weights, on the CPU, for inference.

        Raises:
            CheckpointError: The file is missing, cut short, or of another kind.
        """
        tensors, config = load_checkpoint(path, FORMAT)
        model = cls(AudioToMotionConfig.from_dict(config))
        fill_module(model, tensors, path.name)
        return model

    def config_dict(self) -> dict[str, object]:
        """The config as plain values for the checkpoint's header."""
        return asdict(self.config)


def to_video_clock(
    track: Tensor, times: Tensor, *, rate: float = RATE, reach_s: float = 0.0
) -> Tensor:
    """A track at given times, [T, ...]: linear between its frames, or the greatest around.

    Args:
        track: [N, ...], frame i at (i + 0.5) / rate s.
        times: [T] seconds, float64.
        rate: Frames of the track a second.
        reach_s: With more than 0, the greatest value within this many seconds to either side, so
            that what is short and must be seen (a closure) is not stepped over.
    """
    flat = track.reshape(track.shape[0], -1)

    def at(moments: Tensor) -> Tensor:
        position = (moments * rate - 0.5).clamp(0.0, track.shape[0] - 1.0)
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
    listener: Listener | None = None,
    on_step: Callable[[int, int], None] | None = None,
) -> Motion:
    """Lips that speak the audio, a face that shows the emotion, a head and eyes that live along.

    The sound decides the lips; the seed chooses one of many takes of everything else.

    Args:
        model: From `AudioToMotion.from_checkpoint`.
        waveform: [1, C, S], [C, S] or [S].
        sample_rate: In Hz.
        fps: Video frames a second, 8 to 60.
        seed: Of head, brows, expression, blinks and gaze.
        temperature: How much takes of head, brows and expression differ, 0 (not at all) to 2.
        rest: [52] the photo's own coefficients (Portrait.head.expression); speech is put on top of
            it, and pauses return to it, with lips that are a little apart closed. None: a relaxed
            face with closed lips.
        emotion: What is felt, as long as the audio; None: nothing.
        dials: How much of each part is shown; 0 leaves it out exactly.
        keyframes: Dials over time, a line each: "1.5 head 0.5".
        listener: What hears for lips that were trained on features of wav2vec 2.0; None for mel.
        on_step: Called with (windows done, windows in all) after each; may raise to cancel.

    Returns:
        A Motion of ceil(seconds · fps) frames.

    Raises:
        ValueError: The audio is empty, a batch, not finite; fps, temperature, rest or a keyframe is
            out of range; the emotion is of another length; the weights need a listener.
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
    heard_times = speech.frame_times(-(-len(mono) // (speech.HOP * gesture.POOL)), gesture.RATE)
    felt, strength = faded(
        emotion_at(emotion, heard_times, frames, fps),
        dial_tracks(dials, keyframes, heard_times)["expression"],
    )
    tell = on_step or (lambda done, total: None)

    mel = speech.log_mel(mono)
    shapes, closure, activity = articulate_in_windows(
        model.articulation,
        _heard(model, mel, mono, listener),
        on_step=lambda done, total: tell(done, 2 * total),
    )
    shapes, loud = contrasted(crisp(shapes)), loudness(mel)
    activity = except_in_silence(without_dips(among_speech(activity, loud)), loud)
    ahead = nn.functional.pad(-activity[None], (0, SETTLE), value=-torch.inf)
    activity = -nn.functional.max_pool1d(ahead, SETTLE + 1, 1)[0]  # close as the sound ends
    take, face = _take(model.gestures, prosody_of(mel, activity), felt, seed, temperature, tell)

    take = to_video_clock(take, times, rate=gesture.RATE)  # [T, G]
    face = to_video_clock(face * strength, times, rate=gesture.RATE)  # [T, C]
    at_frames = to_video_clock(felt, times, rate=gesture.RATE)  # [T, 10]
    head, brows = take[:, : len(gesture.HEAD)], take[:, len(gesture.HEAD) :][:, :3].clamp_min(0.0)
    # half of it: with all of it takes agree less with the sound
    size = 1.0 + 0.5 * take[:, gesture.CHANNELS.index("lips")].clamp(-0.2, 0.2)

    amount = dial["lips"].clamp_max(1.0)
    spoken = to_video_clock(activity, times)
    # closures last 40 ms and more: frames further apart look around so as to miss none
    reach_s = min(max(0.5 / fps - 0.02, 0.0), 0.025)
    closed = to_video_clock(closure, times, reach_s=reach_s)
    moved = to_video_clock(shapes, times) * (size * dial["lips"])[:, None]
    for name, lift in zip(gesture.BROWS, brows.T, strict=True):
        for column in lip.sides(name):
            face[:, column] += lift * dial["brows"]
    hush = (1.0 - spoken) * (times / HUSH_S).clamp(0.0, 1.0).float() * amount
    if rest is None or not bool((spoken > 0.5).any()):  # without speech the photo stays as it is
        hush = torch.zeros_like(hush)
    coefficients = lip.compose(
        rest_under(own, at_frames),
        moved.clamp(0.0, 1.0),
        closed * amount,
        spoken * amount,
        face=face.clamp(0.0, 1.0),
        hush=hush * lip.closes_in_pauses(own),
        met=lip.meeting_gap(own),
    )
    head = head * settle(frames, fps)[:, None] * dial["head"][:, None]
    glance = glance_track(spoken, head[:, :3], fps, seed) * dial["gaze"][:, None]
    add_gaze(coefficients, glance)
    add_blinks(coefficients, blink_track(spoken, fps, seed) * dial["blinks"])
    return Motion(
        coefficients=coefficients.clamp(0.0, 1.0),
        head_rotation=head[:, :3],
        head_translation=head[:, 3:],
        fps=fps,
    )


def _heard(model: AudioToMotion, mel: Tensor, mono: Tensor, listener: Listener | None) -> Tensor:
    """What the articulation network listens to: mel features, or those of wav2vec 2.0."""
    if model.config.articulation.features == "mel":
        return mel
    if listener is None:
        raise ValueError(
            "These motion weights were trained on features of wav2vec 2.0, and no folder of it is "
            "given. Choose 'weights' that name one, or the built-in ones."
        )
    return listener.hear(mono)


def _take(
    model: Gestures,
    prosody: Tensor,
    felt: Tensor,
    seed: int,
    temperature: float,
    tell: Callable[[int, int], None],
) -> tuple[Tensor, Tensor]:
    """One take: gestures [U, G] and the face that the emotion makes [U, C]; no emotion, no face.

    The face is what the emotion adds to the same take without emotion.
    """
    take = gestures_in_windows(
        model,
        prosody,
        felt,
        seed=seed,
        temperature=temperature,
        on_step=lambda done, total: tell(total + done, 2 * total),
    )
    face = torch.zeros(len(take), len(ARKIT_NAMES))
    nothing = calm(len(felt))
    if not torch.equal(felt, nothing):
        plain = gestures_in_windows(model, prosody, nothing, seed=seed, temperature=temperature)
        first = len(gesture.CHANNELS) - len(gesture.EXPRESSIVE)
        columns = [ARKIT_INDEX[name] for name in gesture.EXPRESSIVE]
        face[:, columns] = (take - plain)[:, first:]
    return take, face
