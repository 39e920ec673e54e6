"""An emotion drawn over its speech and its words, and told in words.

Shapes: T video frames, S samples.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ..drawing import Sheet, Track, Words, speech_track
from ..speech import exact_fps, frame_times
from ..text_timing import timed_sentences
from ..types import EMOTIONS, Emotion

# Of the palette of Okabe and Ito, told apart with any colour vision.
WORDS_COLOUR = (190, 194, 200)
SCORES_COLOUR = (230, 159, 0)
POINT_COLOUR = (86, 180, 233)
CONFIDENCE_COLOUR = (0, 178, 130)
UNSURE = 0.3  # confidence below which a moment is called unsure


def emotion_plot(
    emotion: Emotion,
    waveform: Tensor | None = None,
    sample_rate: int | None = None,
    transcript: str = "",
    width: int = 1024,
    height: int = 768,
) -> tuple[Tensor, str]:
    """A picture [1, H, W, 3] 0..1 of an emotion over time, and what it shows, in words.

    Args:
        emotion: What to draw.
        waveform: [C, S] the speech, or None for a plot without it.
        sample_rate: Of the waveform, in Hz.
        transcript: What is said, plain or timed, as the text node takes it; needs the waveform.
        width: Of the picture, in pixels.
        height: Of the picture, in pixels.

    Raises:
        ValueError: The picture would be too small to read, the emotion has no frames, the waveform
            comes without a sample rate, or the times in the transcript cannot be used.
    """
    frames = emotion.scores.shape[0]
    if frames == 0:
        raise ValueError("'emotion' has no frames. Make it from audio of at least one sample.")
    sheet = Sheet(width, height, frames / float(exact_fps(emotion.fps)))
    groups: list[tuple[float, Sequence[Track | Words]]] = []
    if waveform is not None:
        groups.append((1.6, [speech_track(waveform, sample_rate, sheet)]))
        if transcript.strip() and sample_rate:
            groups.append((1.6, [_words(transcript, waveform, sample_rate)]))
    groups.append((1.0, _classes(emotion, sheet)))
    groups.append((1.3, _points(emotion, sheet)))
    sure = emotion.confidence
    note = f"mean {float(sure.mean()):.2f}"
    groups.append((1.3, [_track("Confidence", sure, emotion.fps, note, CONFIDENCE_COLOUR, sheet)]))
    return sheet.draw(groups), describe(emotion)


def describe(emotion: Emotion) -> str:
    """Which classes prevail and when, mean valence and arousal, and how sure all of it is."""
    top = emotion.scores.argmax(1)
    rate = float(exact_fps(emotion.fps))
    share = torch.bincount(top, minlength=len(EMOTIONS)).double() / len(top)
    lines = [f"{len(top)} frames at {emotion.fps:g} fps, {len(top) / rate:.1f} s."]
    for index in share.argsort(descending=True, stable=True).tolist():
        if share[index] > 0:
            most, peak = emotion.scores[:, index].max(0)
            lines.append(
                f"{EMOTIONS[index]}: the strongest class in {100 * float(share[index]):.0f} % of "
                f"the frames, at most {float(most):.2f} at {int(peak) / rate:.1f} s."
            )
    valence, arousal = emotion.valence_arousal.mean(0).tolist()
    lines.append(f"Valence {valence:+.2f}, arousal {arousal:+.2f} on average.")
    unsure = float((emotion.confidence < UNSURE).double().mean())
    lines.append(
        f"Confidence {float(emotion.confidence.mean()):.2f} on average, below {UNSURE:g} in "
        f"{100 * unsure:.0f} % of the frames."
    )
    return "\n".join(lines)


def _words(transcript: str, waveform: Tensor, sample_rate: int) -> Words:
    sentences, _ = timed_sentences(transcript, waveform, sample_rate)
    count = len(sentences)
    return Words(
        label="Words",
        sentences=[(one.start, one.end, one.text) for one in sentences],
        note=f"{count} sentence{'' if count == 1 else 's'}",
        colour=WORDS_COLOUR,
    )


def _classes(emotion: Emotion, sheet: Sheet) -> list[Track]:
    strongest = torch.bincount(emotion.scores.argmax(1), minlength=len(EMOTIONS))
    tracks = []
    for index, name in enumerate(EMOTIONS):
        word = "top" if strongest[index] == strongest.max() else "max"
        note = f"{word} {float(emotion.scores[:, index].max()):.2f}"
        curve = emotion.scores[:, index]
        tracks.append(_track(name.capitalize(), curve, emotion.fps, note, SCORES_COLOUR, sheet))
    return tracks


def _points(emotion: Emotion, sheet: Sheet) -> list[Track]:
    return [
        _track(name, curve, emotion.fps, "±1", POINT_COLOUR, sheet, low=-1.0)
        for name, curve in zip(("Valence", "Arousal"), emotion.valence_arousal.T, strict=True)
    ]


def _track(
    label: str,
    curve: Tensor,
    fps: float,
    note: str,
    colour: tuple[int, int, int],
    sheet: Sheet,
    low: float = 0.0,
) -> Track:
    values = curve.nan_to_num().clamp(low, 1.0).cpu().numpy()
    least, most = sheet.columns(frame_times(len(values), fps).numpy(), values, values)
    if low == 0.0:
        least = np.zeros_like(most)
    return Track(label=label, low=least, high=most, span=(low, 1.0), note=note, colour=colour)
