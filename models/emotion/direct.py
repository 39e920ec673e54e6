"""Emotion by hand: a mixture of classes or a point, constant or as keyframes over time.

Shapes: T video frames, K keyframes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import torch
from torch import Tensor

from ..speech import exact_fps, frame_times
from ..types import EMOTIONS, Emotion
from .circumplex import to_scores, to_valence_arousal
from .fusion import EmotionFusion, embed

NEUTRAL = EMOTIONS.index("neutral")
EASINGS = ("smooth", "linear", "hold")
MOST = 10_000  # keyframes

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)")
_SHAPE = "'1.5 happy 0.8, surprised 0.2' or '2.0 va 0.4 -0.3'"


@dataclass(frozen=True, eq=False, kw_only=True)
class Keyframe:
    """What is felt at a moment."""

    time: float | None  # s; None where the line gives no time
    scores: Tensor  # [8] in the order of EMOTIONS, sums to 1
    valence_arousal: Tensor  # [2] -1..1


def parse_direction(direction: str) -> list[Keyframe]:
    """Keyframes in the order of time, or one without a time that holds for the whole clip.

    A line is a time in seconds and either classes with strengths 0..1, "1.5 happy 0.8, surprised
    0.2", or a point of valence and arousal -1..1, "2.0 va 0.4 -0.3". A strength left out is 1.
    What strengths leave to 1 is neutral; strengths that sum to more are scaled to 1. Empty lines
    and what follows a # are passed over.

    Raises:
        ValueError: A line cannot be read, a value is out of range, times do not rise, a time is
            missing, or there is no line at all. The message names the line.
    """
    keys: list[Keyframe] = []
    before = 0  # number of the line of the last key
    for number, line in enumerate(direction.splitlines(), 1):
        words = line.split("#")[0].strip()
        if not words:
            continue
        key = _keyframe(words, number)
        if keys and (key.time is None or keys[-1].time is None):
            where = number if key.time is None else before
            raise ValueError(
                f"Line {where} of 'direction' gives no time, which is needed when there are "
                f"several lines. Write it like {_SHAPE}."
            )
        last = keys[-1].time if keys else None
        if key.time is not None and last is not None and key.time <= last:
            raise ValueError(
                f"Line {number} of 'direction' is at {key.time:g} s, but line {before} is already "
                f"at {last:g} s. Put the lines in the order of time, each moment once."
            )
        keys.append(key)
        before = number
        if len(keys) > MOST:
            raise ValueError(
                f"Line {number} of 'direction' is keyframe {len(keys)}, at most {MOST} are "
                "allowed. Leave out keyframes that lie between others."
            )
    if not keys:
        raise ValueError(
            f"'direction' is empty. Write an emotion like 'happy 0.8', or keyframes like {_SHAPE}."
        )
    return keys


def direct_emotion(
    model: EmotionFusion,
    keys: Sequence[Keyframe],
    frames: int,
    fps: float,
    *,
    easing: str = "smooth",
    over: Emotion | None = None,
    blend: float = 1.0,
) -> Emotion:
    """The emotion that keyframes describe, alone or over an estimate.

    Each frame depends on the key before its middle and the key after it only. Alone it has
    confidence 1; over an estimate, scores, point and confidence are mixed.

    Args:
        model: The fusion, which makes Z_emo.
        keys: As of `parse_direction`.
        frames: T; with an estimate its own.
        fps: Frames a second; with an estimate its own.
        easing: "smooth" starts and ends each change gently, "linear" changes evenly, "hold" jumps
            at each key.
        over: An estimate to lay the direction over.
        blend: 0 keeps the estimate as it is, 1 replaces it.

    Raises:
        ValueError: There are no keys, or easing, blend or the length cannot be used.
    """
    if easing not in EASINGS:
        raise ValueError(f"'easing' is '{easing}'. Use one of {', '.join(EASINGS)}.")
    if not 0.0 <= blend <= 1.0:
        raise ValueError(f"'blend' is {blend:g}. Use a value from 0 to 1.")
    if not keys:
        raise ValueError("'direction' holds no keyframes. Write at least one line.")
    if over is not None and (over.fps != fps or over.scores.shape[0] != frames):
        raise ValueError(
            f"'emotion' has {over.scores.shape[0]} frames at {over.fps:g} fps, the direction is to "
            f"have {frames} at {fps:g} fps. Make both for the same audio and 'fps'."
        )
    if over is not None and blend == 0.0:
        return over
    values = torch.stack([torch.cat([key.scores, key.valence_arousal]) for key in keys])
    start, stop, share = _between([key.time or 0.0 for key in keys], frames, fps, easing)
    mixed = torch.lerp(values[start], values[stop], share[:, None])  # [T, 10]
    scores, points = mixed[:, : len(EMOTIONS)], mixed[:, len(EMOTIONS) :]
    sure = torch.ones(frames)
    if over is not None and blend < 1.0:
        scores = torch.lerp(over.scores, scores, blend)
        points = torch.lerp(over.valence_arousal, points, blend)
        sure = torch.lerp(over.confidence, sure, blend)
    return embed(model, scores, points, sure, fps)


def frames_of(seconds: float, fps: float) -> int:
    """Frames T = ceil(seconds · fps) of a clip without audio.

    Raises:
        ValueError: Seconds or fps are out of range.
    """
    if not 0.0 < seconds <= 3600.0:
        raise ValueError(
            f"'seconds' is {seconds:g}. Use more than 0 and at most 3600, or connect 'audio'."
        )
    if not 8.0 <= fps <= 60.0:
        raise ValueError(f"'fps' is {fps:g}. Use a value from 8 to 60.")
    return math.ceil(Fraction(str(seconds)) * exact_fps(fps))


def _between(
    times: Sequence[float], frames: int, fps: float, easing: str
) -> tuple[Tensor, Tensor, Tensor]:
    """For each frame the key before [T], the key after [T], and the way from one to the other."""
    moments, at = frame_times(frames, fps), torch.tensor(times, dtype=torch.float64)
    after = torch.searchsorted(at, moments, right=True)  # first key later than the frame
    start, stop = (after - 1).clamp_min(0), after.clamp_max(len(times) - 1)
    gap = (at[stop] - at[start]).clamp_min(1e-9)
    share = ((moments - at[start]) / gap).clamp(0.0, 1.0)
    share = torch.where(start == stop, 0.0, share)
    if easing == "hold":
        share = torch.zeros_like(share)
    if easing == "smooth":
        share = share * share * (3.0 - 2.0 * share)
    return start, stop, share.float()


def _keyframe(words: str, number: int) -> Keyframe:
    time: float | None = None
    first, _, rest = words.partition(" ")
    if _NUMBER.fullmatch(first):
        time, words = float(first), rest.strip()
        if time < 0:
            raise ValueError(
                f"Line {number} of 'direction' is at {first} s. Use a time of 0 or later."
            )
        if not words:
            raise ValueError(
                f"Line {number} of 'direction' has a time but no emotion. Write it like {_SHAPE}."
            )
    if words.lower().split()[0] == "va":
        point = _point(words.split()[1:], number)
        return Keyframe(time=time, scores=to_scores(point), valence_arousal=point)
    scores = _mixture(words, number)
    return Keyframe(time=time, scores=scores, valence_arousal=to_valence_arousal(scores))


def _point(words: list[str], number: int) -> Tensor:
    if len(words) != 2 or not all(_NUMBER.fullmatch(word) for word in words):
        raise ValueError(
            f"Line {number} of 'direction' gives 'va {' '.join(words)}'; needed are valence and "
            "arousal as two numbers, like 'va 0.4 -0.3'."
        )
    values = [float(word) for word in words]
    for name, value in zip(("valence", "arousal"), values, strict=True):
        if not -1.0 <= value <= 1.0:
            raise ValueError(
                f"Line {number} of 'direction' has {name} {value:g}. Use a value from -1 to 1."
            )
    return torch.tensor(values)


def _mixture(words: str, number: int) -> Tensor:
    scores = torch.zeros(len(EMOTIONS))
    seen: set[str] = set()
    for part in words.split(","):
        name, *strength = part.split() or [""]
        name = name.lower()
        if name not in EMOTIONS:
            raise ValueError(
                f"Line {number} of 'direction' holds '{name}', which is no emotion. Use "
                f"{', '.join(EMOTIONS)}, or 'va' with two numbers."
            )
        if name in seen:
            raise ValueError(f"Line {number} of 'direction' names '{name}' twice. Name it once.")
        seen.add(name)
        if len(strength) > 1 or not all(_NUMBER.fullmatch(word) for word in strength):
            raise ValueError(
                f"Line {number} of 'direction' holds '{part.strip()}'; needed is one strength from "
                f"0 to 1, like '{name} 0.8', with commas between emotions."
            )
        value = float(strength[0]) if strength else 1.0
        if not 0.0 <= value <= 1.0:
            raise ValueError(
                f"Line {number} of 'direction' has {name} {value:g}. Use a strength from 0 to 1."
            )
        scores[EMOTIONS.index(name)] = value
    total = float(scores.sum())
    if total > 1.0:
        return scores / total
    scores[NEUTRAL] += 1.0 - total
    return scores
