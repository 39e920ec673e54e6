"""Natural English speech of many actors with phone times, out of a game that may be passed on.

Flight of the Amazon Queen (Passfield and Stamatiadis, 1995) was released by its authors: the game
may be given away, changed, and given away changed. Debian's package flight-of-the-amazon-queen
brings it with all voices, 4.6 hours at 11 kHz in MP3 (`apt-get download` it and unpack it with
`dpkg-deb -x`). Nothing of it is part of the pack; networks learn from it how phones sound.

Whisper writes down what is said, forced alignment says when; what either is unsure of is left out.

Source of the format: ScummVM's engine "queen" (its compressed data file, version CEM).
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from ..models.speech import SAMPLE_RATE
from .align import Aligner, named
from .transcribe import LONGEST_S, Transcriber
from .voices import Utterance

Array = NDArray[np.float32]

TABLE, ENTRY = 15, 21  # first byte of the table of files and bytes of each
TALK = re.compile(r"[A-Z]?(..)....P\d$")  # another's line in a dialogue
JOE = re.compile(r"JOE|.{6,7}J\d$")  # the hero's
SHORTEST_S = 0.8
TOGETHER = 16  # clips that are transcribed at once
SHORT_S, MOST_SHORT = 0.035, 0.4  # a phone as short as the aligner knows, and the share of those
RATE = (5.0, 22.0)  # phones a second of what is said


@dataclass(frozen=True, eq=False)
class Recording:
    """One line of a dialogue."""

    speaker: str  # "joe", whom he talks with in a dialogue, or a line whose speaker is not known
    samples: Array  # [S] mono at 16 kHz


def amazon_queen(path: Path) -> Iterator[Recording]:
    """All that is said in the game.

    Args:
        path: Its data file, queen.1c.

    Raises:
        ValueError: It is no such file.
    """
    data = path.read_bytes()
    if data[:7] != b"QTBLCEM":
        raise ValueError(f"'{path.name}' is not the game's data file with voices, queen.1c.")
    (count,) = struct.unpack(">H", data[TABLE - 2 : TABLE])
    for i in range(count):
        entry = data[TABLE + ENTRY * i : TABLE + ENTRY * (i + 1)]
        name = entry[:12].split(b"\0")[0].decode("ascii")
        offset, size = struct.unpack(">II", entry[13:])
        if name.endswith(".SB"):
            yield Recording(speaker_of(name[:-3]), _decoded(data[offset : offset + size]))


def speaker_of(name: str) -> str:
    """Who speaks in a file of the game."""
    talk = TALK.match(name)
    return "joe" if JOE.match(name) else f"talk {talk[1]}" if talk else name


def _decoded(mp3: bytes) -> Array:
    """Sound [S] at 16 kHz of an MP3 file."""
    resampler = av.AudioResampler("fltp", "mono", SAMPLE_RATE)
    parts = []
    with av.open(io.BytesIO(mp3), format="mp3") as file:
        for frame in (*file.decode(audio=0), None):
            parts += [piece.to_ndarray()[0] for piece in resampler.resample(frame)]
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


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
