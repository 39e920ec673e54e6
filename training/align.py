"""When each phone of a known English pronunciation is said, by forced alignment.

Uses pocketsphinx (5.1.1, BSD) with the acoustic model that comes with it; a tool that makes data,
no part of the pack. Against flite's exact times it errs by 10 ms (median).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .phones import Phone, from_arpabet

FRAME_S = 0.01


class Aligner:
    """Aligns pronunciations with sound."""

    def __init__(self) -> None:
        from pocketsphinx import Decoder

        self._decoder = Decoder(samprate=16000, bestpath=False, loglevel="FATAL")
        self._known: set[str] = set()

    def align(
        self, samples: NDArray[np.float32], words: list[list[str]]
    ) -> list[tuple[str, float, float]] | None:
        """ARPABET phones with their start and end in seconds, silences ("SIL") among them.

        Args:
            samples: [S] mono at 16 kHz.
            words: The ARPABET phones of each word that is said.

        Returns:
            None where the words cannot be found in the sound.
        """
        names = ["x" + "_".join(word).lower() for word in words]
        new = {n: w for n, w in zip(names, words, strict=True) if n not in self._known}
        for i, (name, word) in enumerate(new.items(), 1):
            self._decoder.add_word(name, " ".join(word), i == len(new))
        self._known.update(new)
        return self._place(samples, " ".join(names))

    def align_words(
        self, samples: NDArray[np.float32], words: list[str]
    ) -> list[tuple[str, float, float]] | None:
        """The same for English words in lower case; None also where one is in no dictionary."""
        if any(self._decoder.lookup_word(word) is None for word in words):
            return None
        return self._place(samples, " ".join(words))

    def _place(
        self, samples: NDArray[np.float32], text: str
    ) -> list[tuple[str, float, float]] | None:
        sound = (samples / (np.abs(samples).max() + 1e-9) * 30000).astype(np.int16).tobytes()
        try:
            self._decoder.set_align_text(text)
            self._hear(sound)
            self._decoder.set_alignment()
            self._hear(sound)
            found = self._decoder.get_alignment()
        except RuntimeError:
            return None
        return [
            (phone.name, phone.start * FRAME_S, (phone.start + phone.duration) * FRAME_S)
            for word in found
            for phone in word
        ]

    def _hear(self, sound: bytes) -> None:
        self._decoder.start_utt()
        self._decoder.process_raw(sound, full_utt=True)
        self._decoder.end_utt()


def named(aligned: list[tuple[str, float, float]]) -> list[Phone]:
    """The phones of an alignment in our alphabet."""
    return [phone for label, start, end in aligned for phone in from_arpabet(label, start, end)]
