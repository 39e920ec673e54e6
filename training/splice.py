"""Speech cut at its sounds and put together anew, so that no sentence is learnt by heart.

Shapes: S samples at 16 kHz.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..models.speech import SAMPLE_RATE
from .phones import Phone
from .visemes import fill_gaps
from .voices import Utterance

Array = NDArray[np.float32]

RUN = (2, 9)  # sounds that stay together, from and below
FADE = 64  # samples over which one stretch passes into the next
LONGEST_S = 0.6  # of a pause that is taken along


def spliced(
    voice: Sequence[Utterance], length: int, chance: np.random.Generator
) -> tuple[Array, list[Phone]]:
    """Random stretches of a few sounds each, one after another.

    A stop keeps its release. Targets are made of the new order, so the sounds at a cut are heard as
    they were said among others; the mouth does what the new neighbours ask for.

    Args:
        voice: Utterances of one speaker at 16 kHz, at least one with a phone.
        length: How many samples to make at least, if there is anything to take.
        chance: Where randomness comes from.

    Returns:
        [S] and the phones in it.
    """
    out = np.zeros(0, dtype=np.float32)
    phones: list[Phone] = []
    for _ in range(20 * (length // SAMPLE_RATE + 1)):
        if len(out) >= length:
            break
        item = voice[int(chance.integers(len(voice)))]
        taken = _stretch(item, chance)
        first = round(taken[0].start * SAMPLE_RATE) if taken else 0
        last = round(taken[-1].end * SAMPLE_RATE) if taken else 0
        part = item.samples[first:last].astype(np.float32)
        if len(part) < 4 * FADE:
            continue
        shared = FADE if len(out) else 0
        if shared:
            rise = np.linspace(0.0, 1.0, shared, dtype=np.float32)
            part[:shared] = out[-shared:] * (1.0 - rise) + part[:shared] * rise
        begin = (len(out) - shared) / SAMPLE_RATE
        stop = begin + len(part) / SAMPLE_RATE
        shift = begin - first / SAMPLE_RATE
        out = np.concatenate([out[: len(out) - shared], part])
        if phones:
            phones[-1] = Phone(phones[-1].name, phones[-1].start, begin + shared / SAMPLE_RATE / 2)
        phones += [Phone(p.name, p.start + shift, min(p.end + shift, stop)) for p in taken]
        phones = [p for p in phones if p.end > p.start]
    return out, phones


def _stretch(item: Utterance, chance: np.random.Generator) -> list[Phone]:
    """A few neighbouring phones, times as in the utterance; none where there is a long pause."""
    duration = len(item.samples) / item.sample_rate
    every = [p for p in fill_gaps(item.phones, duration) if p.start < duration]
    if not every:
        return []
    first = int(chance.integers(len(every)))
    stop = min(first + int(chance.integers(*RUN)), len(every))
    while first > 0 and every[first].name == "rel":
        first -= 1
    while stop < len(every) and every[stop].name == "rel":
        stop += 1
    taken = every[first:stop]
    if any(p.name == "sil" and p.end - p.start > LONGEST_S for p in taken):
        return []
    return [Phone(p.name, p.start, min(p.end, duration)) for p in taken]
