"""Speech → Emotion: what a listener says of overlapping windows, brought to the video's clock.

Shapes: S samples at 16 kHz, L mel frames of 10 ms, B windows, T video frames.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ..prosody import LOUD, VOICED, excitement, loudness
from ..speech import HOP, MELS, frame_count, frame_times, to_mono
from ..types import EMOTIONS, Emotion
from .circumplex import to_scores
from .fusion import EmotionFusion, embed
from .speech_emotion import WINDOW, SpeechEmotion, frame_features
from .speech_folder import SpeechFolder

STEP = 25  # mel frames between windows, 0.25 s
BATCH = 16  # windows at a time
ENOUGH = 0.12  # share of a window that must be voice for it to be judged in full
LIVELY = 0.25  # how far prosody moves arousal at most, at prosody 1
NEAR, FADE = 20, 10  # mel frames from a voice within which it lingers, and over which it fades
NEUTRAL = EMOTIONS.index("neutral")


Listener = SpeechEmotion | SpeechFolder


def emotion_from_speech(
    listener: Listener,
    fusion: EmotionFusion,
    waveform: Tensor,
    sample_rate: int,
    *,
    fps: float = 25.0,
    on_step: Callable[[int, int], None] | None = None,
) -> Emotion:
    """What the voice tells, frame by frame; silence is neutral with confidence 0.

    Args:
        listener: `SpeechEmotion` or `SpeechFolder` with classes.
        fusion: Makes the embedding.
        waveform: [1, C, S], [C, S] or [S].
        sample_rate: In Hz.
        fps: Video frames a second, 8 to 60.
        on_step: Called with (batches done, batches in all) after each; may raise to cancel.

    Raises:
        ValueError: The audio is empty, a batch or not finite, or fps is out of range.
    """
    heard = _hear(listener, waveform, sample_rate, fps, on_step)
    return embed(fusion, heard.scores, heard.point, heard.sure_scores, fps)


def valence_arousal_from_speech(
    listener: Listener,
    fusion: EmotionFusion,
    waveform: Tensor,
    sample_rate: int,
    *,
    fps: float = 25.0,
    prosody: float = 1.0,
    on_step: Callable[[int, int], None] | None = None,
) -> Emotion:
    """Valence and arousal of the voice, frame by frame, with the classes that fit them.

    The network says how valence and arousal go over seconds; within these, arousal follows how
    high, loud and fast somebody speaks in comparison with their own average.

    Args:
        listener: `SpeechEmotion`, or `SpeechFolder` with valence and arousal.
        fusion: Makes the embedding.
        waveform: [1, C, S], [C, S] or [S].
        sample_rate: In Hz.
        fps: Video frames a second, 8 to 60.
        prosody: How far pitch, loudness and rate move arousal, 0 (not at all) to 2.
        on_step: Called with (batches done, batches in all) after each; may raise to cancel.

    Raises:
        ValueError: The audio is empty, a batch or not finite; fps or prosody is out of range.
    """
    if not 0.0 <= prosody <= 2.0:
        raise ValueError(f"'prosody' is {prosody:g}. Use a value from 0 (off) to 2.")
    heard = _hear(listener, waveform, sample_rate, fps, on_step)
    lively = _at(excitement(heard.features), heard.times * 100.0 - 0.5)
    point = heard.point.clone()
    point[:, 1] += prosody * LIVELY * lively * heard.presence
    point = point.clamp(-1.0, 1.0)
    return embed(fusion, to_scores(point), point, heard.sure_point, fps)


class _Heard:
    """All that was heard of a clip, on the video's clock."""

    def __init__(
        self, features: Tensor, times: Tensor, presence: Tensor, said: tuple[Tensor, ...]
    ) -> None:
        self.features = features  # [L, 82]
        self.times = times  # [T] s
        self.presence = presence  # [T] 0..1, how much of the time around is speech
        scores, point, sure_scores, sure_point = said
        neutral = nn.functional.one_hot(torch.tensor(NEUTRAL), len(EMOTIONS)).float()
        self.scores = neutral + (scores - neutral) * presence[:, None]  # [T, 8]
        self.point = point * presence[:, None]  # [T, 2]
        self.sure_scores = sure_scores * presence  # [T]
        self.sure_point = sure_point * presence  # [T]


def _hear(
    listener: Listener,
    waveform: Tensor,
    sample_rate: int,
    fps: float,
    on_step: Callable[[int, int], None] | None,
) -> _Heard:
    mono = to_mono(waveform, sample_rate)
    times = frame_times(frame_count(waveform.shape[-1], sample_rate, fps), fps)
    features = frame_features(mono)  # [L, 82]
    frames = features.shape[0]
    samples = nn.functional.pad(mono, (0, frames * HOP - mono.numel()))
    length = min(WINDOW, frames)
    starts = list(range(0, max(frames - length, 0) + 1, STEP))
    if starts[-1] + length < frames:
        starts.append(frames - length)
    like = next(listener.parameters())
    said: list[tuple[Tensor, ...]] = []
    for done in range(0, len(starts), BATCH):
        some = starts[done : done + BATCH]
        sound = torch.stack([samples[i * HOP : (i + length) * HOP] for i in some]).to(like)
        seen = torch.stack([features[i : i + length] for i in some]).to(like)
        with torch.no_grad():
            said.append(tuple(x.float().cpu() for x in listener.listen(sound, seen)))
        if on_step is not None:
            on_step(len(said), -(-len(starts) // BATCH))
    middles = torch.tensor(starts, dtype=torch.float64) + length / 2.0 - 0.5
    place = _places(middles, times * 100.0 - 0.5)
    tracks = [_smooth(torch.cat(part)) for part in zip(*said, strict=True)]
    presence = _at(speech_presence(features, length), times * 100.0 - 0.5)
    return _Heard(features, times, presence, tuple(_at(track, place) for track in tracks))


def speech_presence(features: Tensor, length: int = WINDOW) -> Tensor:
    """How much of the `length` frames around each is voice, [L] 0..1; hiss and silence are 0.

    So is what is further from any voice than a moment.

    Args:
        features: [L, 82] from `frame_features`.
        length: Mel frames to look at.
    """
    voiced = (features[:, MELS + 1] > VOICED) & (loudness(features[:, :MELS]) > LOUD)
    reach = length // 2
    around = nn.functional.avg_pool1d(
        nn.functional.pad(voiced.float()[None, None], (reach, length - 1 - reach)), length, 1
    )
    near = nn.functional.max_pool1d(voiced.float()[None, None], 2 * NEAR + 1, 1, NEAR)
    near = nn.functional.pad(near, (FADE, FADE), mode="replicate")
    near = nn.functional.avg_pool1d(near, 2 * FADE + 1, 1)
    return (around[0, 0] / ENOUGH).clamp(0.0, 1.0) * near[0, 0]


def _smooth(track: Tensor) -> Tensor:
    """A track over windows [n, ...], each averaged with its neighbours."""
    edged = torch.cat([track[:1], track, track[-1:]])
    return 0.25 * edged[:-2] + 0.5 * edged[1:-1] + 0.25 * edged[2:]


def _places(middles: Tensor, moments: Tensor) -> Tensor:
    """Where moments [T] lie among increasing middles [n], as fractional indices [T]."""
    if len(middles) == 1:
        return torch.zeros_like(moments)
    after = torch.searchsorted(middles, moments).clamp(1, len(middles) - 1)
    share = (moments - middles[after - 1]) / (middles[after] - middles[after - 1])
    return after - 1 + share.clamp(0.0, 1.0)


def _at(track: Tensor, place: Tensor) -> Tensor:
    """A track [n, ...] at fractional indices [T], linear between and held at the ends."""
    place = place.clamp(0.0, track.shape[0] - 1.0)
    low = place.floor().long()
    high = (low + 1).clamp_max(track.shape[0] - 1)
    share = (place - low).float().view(-1, *[1] * (track.ndim - 1))
    return track[low] * (1.0 - share) + track[high] * share
