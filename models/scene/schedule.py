"""A scene over time: prompts at frames for prompt-travel nodes, and one for each window."""

from __future__ import annotations

import json
import math

from ..speech import exact_fps
from ..types import Scene
from .answer import clause_parts
from .claims import word_table, words_of
from .describe import Count, shorten

# Subjects of a clause that beats tell instead: a whole prompt does not repeat them.
_TIMED = ("feeling", "voice", "rate", "pauses", "pitch", "loudness", "emphasis")


def keyframes(
    scene: Scene, *, fps: float, frames: int, blend: int, limit: int, count: Count
) -> str:
    """Lines '"frame": "prompt"' with commas between them, as prompt-travel nodes read them.

    Such nodes fade evenly from one keyframe to the next. Each beat therefore has two: one where it
    begins, one where its fade to the next beat begins.

    Args:
        scene: Prompt and beats.
        fps: Frames a second of the video, 8 to 60.
        frames: Frames of the video; keyframes beyond it are left out. 0 is up to the last beat.
        blend: Frames over which one beat fades into the next, 0 for a cut.
        limit: Tokens that each prompt may have; 0 is no limit.
        count: Tells the tokens of a text.

    Raises:
        ValueError: fps, frames or blend are out of range.
    """
    total = length(scene, fps, frames)
    if blend < 0:
        raise ValueError(f"'blend' is {blend}. Use 0 or more frames.")
    rate = float(exact_fps(fps))
    spans = [
        (min(round(start * rate), total - 1), min(round(end * rate), total), text)
        for start, end, text in scene.beats
        if round(start * rate) < total
    ]
    rows: list[tuple[int, str]] = []
    for i, (start, _, text) in enumerate(spans or [(0, total, "")]):
        prompt = with_beat(scene.prompt, text, limit, count)
        first = 0 if i == 0 else start
        following = spans[i + 1][0] if i + 1 < len(spans) else total
        last = following - max(1, blend) if i + 1 < len(spans) else first
        rows.append((first, prompt))
        if last > first:
            rows.append((last, prompt))
    unique = {frame: prompt for frame, prompt in rows if frame < total}
    return ",\n".join(f'"{frame}": {_text(prompt)}' for frame, prompt in sorted(unique.items()))


def window_prompts(
    scene: Scene, *, fps: float, frames: int, window: int, limit: int, count: Count
) -> list[str]:
    """One prompt for each window of frames: the scene and the beat that takes most of it.

    Args:
        scene: Prompt and beats.
        fps: Frames a second of the video, 8 to 60.
        frames: Frames of the video; 0 is up to the last beat.
        window: Frames of a window; the last one may be shorter.
        limit: Tokens that each prompt may have; 0 is no limit.
        count: Tells the tokens of a text.

    Raises:
        ValueError: fps, frames or window are out of range.
    """
    total = length(scene, fps, frames)
    if window < 1:
        raise ValueError(f"'window' is {window}. Use at least 1 frame.")
    rate = float(exact_fps(fps))
    out = []
    for first in range(0, total, window):
        start, end = first / rate, min(first + window, total) / rate
        shared = [(min(b, end) - max(a, start), text) for a, b, text in scene.beats]
        most, text = max(shared, default=(0.0, ""), key=lambda item: item[0])
        out.append(with_beat(scene.prompt, text if most > 0 else "", limit, count))
    return out


def length(scene: Scene, fps: float, frames: int) -> int:
    """Frames of the video: as given, or up to the last beat.

    Raises:
        ValueError: fps is out of range, or there is neither a beat nor a number of frames.
    """
    if not 8.0 <= fps <= 60.0:
        raise ValueError(f"'fps' is {fps:g}. Use a value from 8 to 60.")
    if frames > 0:
        return frames
    if not scene.beats:
        raise ValueError(
            "'scene' has no beats that tell how long it is. Set 'frames' to the length of the "
            "video, or connect 'audio' or 'emotion' where the scene is described."
        )
    return max(1, math.ceil(scene.beats[-1][1] * exact_fps(fps) - 1e-6))


def with_beat(prompt: str, beat: str, limit: int, count: Count) -> str:
    """The prompt without what changes over time, and the beat after it, within the limit."""
    if not beat:
        return shorten(prompt, limit, count)
    table = word_table()
    lasting = [
        (clause, stop)
        for clause, stop in clause_parts(prompt)
        if not any(s in _TIMED for word in words_of(clause) for s, _ in table.get(word, set()))
        and '"' not in clause
    ]
    base = " ".join(clause + stop for clause, stop in lasting).rstrip(" ,.;:")
    beat = shorten(beat, limit, count)
    room = limit - (count(f", {beat}") - 2) if limit else 0
    base = shorten(base, room, count) if room > 2 or not limit else ""
    return f"{base}, {beat}" if base else beat


def _text(prompt: str) -> str:
    """A prompt as JSON, without what prompt-travel nodes evaluate."""
    plain = prompt.replace("`", "'").replace("{", "(").replace("}", ")").replace("--", "–")
    return json.dumps(plain.replace('"', "'"), ensure_ascii=False)
