"""Recordings of speech with the times of their phones.

Whisper writes down what is said, forced alignment says when; what either is unsure of is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ..models.speech import SAMPLE_RATE
from .align import Aligner, named
from .games import Recording
from .transcribe import LONGEST_S, Transcriber
from .voices import Utterance

Array = NDArray[np.float32]

SHORTEST_S = 0.8
TOGETHER = 16  # clips that are transcribed at once
SHORT_S, MOST_SHORT = 0.035, 0.4  # a phone as short as the aligner knows, and the share of those
RATE = (5.0, 22.0)  # phones a second of what is said


def utterances(
    recordings: Iterator[Recording], transcriber: Transcriber
) -> Iterator[tuple[str, Utterance]]:
    """Speaker and utterance of each recording whose phones can be placed for sure."""
    aligner = Aligner()
    fit = [r for r in recordings if SHORTEST_S < len(r.samples) / SAMPLE_RATE < LONGEST_S]
    fit.sort(key=lambda r: len(r.samples))
    for first in range(0, len(fit), TOGETHER):
        batch = fit[first : first + TOGETHER]
        for one, heard in zip(batch, transcriber.hear([r.samples for r in batch]), strict=True):
            placed = placed_in(one.samples, heard.text, aligner) if heard.sure else None
            if placed is not None:
                yield one.speaker, placed


def placed_in(samples: Array, text: str, aligner: Aligner) -> Utterance | None:
    """The sound with the phones of the text, or None where they cannot be placed for sure."""
    words = re.findall(r"[a-z']+", text.lower().replace("’", "'"))
    aligned = aligner.align_words(samples, words) if words and not re.search(r"\d", text) else None
    if aligned is None:
        return None
    said = [(start, end) for name, start, end in aligned if name != "SIL"]
    seconds = sum(end - start for start, end in said)
    short = sum(end - start < SHORT_S for start, end in said)
    if not said or short > MOST_SHORT * len(said):
        return None
    if not RATE[0] < len(said) / seconds < RATE[1]:
        return None
    return Utterance(samples, SAMPLE_RATE, named(aligned))
