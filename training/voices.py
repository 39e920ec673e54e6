"""Synthetic speech with exact phone times, from espeak-ng and flite as the system has them.

Needs libespeak-ng (1.51 was used) and flite (2.2); both are tools that make data, no part of the
pack.
"""

from __future__ import annotations

import ctypes
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from .phones import STOPS, Phone, from_arpabet, from_ipa

VOICELESS = frozenset("ptk")
CLOSURE_S = 0.045  # espeak-ng's silence before a voiceless stop, which its event does not include
PAUSES = frozenset(",.;:!?—…")  # marks that may be heard
FLITE_VOICES = ("slt", "rms", "awb", "kal16")


@dataclass(frozen=True, eq=False)
class Utterance:
    """Sound and what is said in it."""

    samples: NDArray[np.float32]  # [S] mono
    sample_rate: int  # Hz
    phones: list[Phone]


class _Name(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("milliseconds", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user", ctypes.c_void_p),
        ("id", _Name),
    )


_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)
_END, _PHONEME = 0, 7


class Espeak:
    """espeak-ng through its library, with phoneme events."""

    def __init__(self, library: str = "libespeak-ng.so.1") -> None:
        self._library = ctypes.CDLL(library)
        retrieval, phoneme_events_in_ipa = 1, 3
        self.sample_rate = int(
            self._library.espeak_Initialize(retrieval, 0, None, phoneme_events_in_ipa)
        )
        self._sound: list[NDArray[np.int16]] = []
        self._marks: list[tuple[float, str]] = []
        self._callback = _CALLBACK(self._receive)
        self._library.espeak_SetSynthCallback(self._callback)

    def say(
        self, text: str, voice: str, *, rate: int = 170, pitch: int = 50, span: int = 50
    ) -> Utterance | None:
        """Speech, or None when the voice does not exist or a phoneme is unknown.

        Args:
            text: What to say.
            voice: Language and variant, e.g. "en-us+f3".
            rate: Words a minute.
            pitch: 0..99.
            span: Range of the pitch, 0..99.
        """
        if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
            return None
        for parameter, value in ((1, rate), (3, pitch), (4, span)):
            self._library.espeak_SetParameter(parameter, value, 0)
        self._sound.clear()
        self._marks.clear()
        data = text.encode()
        utf8 = 1
        self._library.espeak_Synth(data, len(data) + 1, 0, 0, 0, utf8, None, None)
        self._library.espeak_Synchronize()
        if not self._sound:
            return None
        samples = np.concatenate(self._sound).astype(np.float32) / 32768.0
        phones = self._phones(len(samples) / self.sample_rate)
        return None if phones is None else Utterance(samples, self.sample_rate, phones)

    def ipa(self, text: str, voice: str) -> str:
        """How the voice would say the text, in IPA with stress marks, punctuation kept."""
        if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
            return ""
        utf8, international = 1, 2
        self._library.espeak_TextToPhonemes.restype = ctypes.c_char_p
        said = []
        for clause, mark in re.findall(r"([^,.;:!?—…]*)([,.;:!?—…]?)", text):
            if clause.strip():
                left = ctypes.c_char_p(clause.encode())
                while left.value:
                    heard = self._library.espeak_TextToPhonemes(
                        ctypes.byref(left), utf8, international
                    )
                    said.append((heard or b"").decode("utf-8").strip())
                said[-1] += mark
        return " ".join(said)

    def _receive(self, sound: object, count: int, events: object) -> int:
        if sound and count:
            self._sound.append(np.ctypeslib.as_array(sound, (count,)).copy())  # type: ignore[arg-type]
        index = 0
        while events[index].type != _END:  # type: ignore[index]
            event = events[index]  # type: ignore[index]
            if event.type == _PHONEME:
                label = bytes(event.id.string).decode("utf-8", "ignore")
                self._marks.append((event.milliseconds / 1000.0, label))
            index += 1
        return 0

    def _phones(self, duration: float) -> list[Phone] | None:
        starts = [
            max(0.0, now - CLOSURE_S) if label[:1] in VOICELESS and label else now
            for now, label in self._marks
        ]
        for i in range(1, len(starts)):
            starts[i] = max(starts[i], starts[i - 1])
        phones: list[Phone] = []
        for (mark, label), start, end in zip(
            self._marks, starts, [*starts[1:], duration], strict=True
        ):
            if end <= start:
                continue
            if label in VOICELESS and label in STOPS:
                middle = min(max(mark, start), end)  # the event is the burst
                phones += [Phone(label, start, middle), Phone("rel", middle, end)]
                continue
            named = from_ipa(label, start, end)
            if named is None:
                return None
            phones += named
        return [p for p in phones if p.end > p.start]


def flite(text: str, voice: str, *, rate: float = 1.0) -> Utterance | None:
    """Speech of one of FLITE_VOICES, or None when a label is unknown; rate 2 is twice as fast."""
    with tempfile.TemporaryDirectory() as folder:
        sound = Path(folder) / "sound.wav"
        stretch = f"duration_stretch={1.0 / rate:.3f}"
        said = ["flite", "-voice", voice, "--setf", stretch, "-t", text, "-psdur", "-o", sound]
        listed = subprocess.run(said, check=True, capture_output=True, text=True).stdout.split()
        samples, sample_rate = soundfile.read(sound, dtype="float32")
    phones: list[Phone] = []
    now = 0.0
    for item in listed:
        label, _, until = item.rpartition(":")
        end = min(float(until), len(samples) / sample_rate)
        if end <= now:
            continue
        named = from_arpabet(label, now, end)
        if not named:
            return None
        phones += named
        now = end
    return Utterance(samples, int(sample_rate), phones)
