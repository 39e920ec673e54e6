"""What is said in two games that may be passed on, each with the voices of many actors.

Flight of the Amazon Queen (Passfield and Stamatiadis, 1995) was released by its authors: the game
may be given away, changed, and given away changed. Debian's package flight-of-the-amazon-queen
brings it with all voices, 4.6 hours at 11 kHz in MP3. So may Beneath a Steel Sky (Revolution
Software, 1994) under its own licence; package beneath-a-steel-sky, two hours at 11 kHz in 8 bits.
`apt-get download` them and unpack them with `dpkg-deb -x`. Nothing of them is part of the pack;
networks learn from them how phones sound.

Source of the formats: ScummVM's engines "queen" (its compressed data file, version CEM) and "sky".
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
import torch
from numpy.typing import NDArray

from ..models.speech import SAMPLE_RATE, to_mono
from . import propack

Array = NDArray[np.float32]

SKY = "sky.dnr"  # list of files of the second; the first has but one file
TABLE, ENTRY = 15, 21  # first byte of the table of files and bytes of each
TALK = re.compile(r"[A-Z]?(..)....P\d$")  # another's line in a dialogue
JOE = re.compile(r"JOE|.{6,7}J\d$")  # the hero's
SKY_DATA = "sky.dsk"  # beside its list
SPOKEN = range(50000, 60000)  # numbers of files that hold speech
SKY_HEADER = 22  # bytes before the sound
SKY_RATE = 11025  # Hz


@dataclass(frozen=True, eq=False)
class Recording:
    """One line of a dialogue."""

    speaker: str  # as far as known: "joe", whom he talks with in a dialogue, or just the line
    samples: Array  # [S] mono at 16 kHz


def said_in(path: Path) -> Iterator[Recording]:
    """All that is said in a game.

    Args:
        path: queen.1c, or sky.dnr with sky.dsk beside it.

    Raises:
        ValueError: It is neither.
    """
    return steel_sky(path) if path.name == SKY else amazon_queen(path)


def amazon_queen(path: Path) -> Iterator[Recording]:
    """All that is said in Flight of the Amazon Queen.

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
    """Who speaks in a file of that game."""
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


def steel_sky(path: Path) -> Iterator[Recording]:
    """All that is said in Beneath a Steel Sky; who says it is not told.

    Args:
        path: Its list of files, sky.dnr, with sky.dsk beside it.

    Raises:
        ValueError: There is no such file beside it.
    """
    data_path = path.with_name(SKY_DATA)
    if not data_path.is_file():
        raise ValueError(f"'{SKY_DATA}' is not beside '{path.name}'. Unpack both to one folder.")
    table, data = path.read_bytes(), data_path.read_bytes()
    (count,) = struct.unpack("<I", table[:4])
    for i in range(count):
        entry = table[4 + 8 * i : 12 + 8 * i]
        number = int.from_bytes(entry[:2], "little")
        if number not in SPOKEN:
            continue
        place, flags = (int.from_bytes(entry[k : k + 3], "little") for k in (2, 5))
        offset = (place & 0x7FFFFF) << (4 if place >> 23 else 0)
        file = data[offset : offset + (flags & 0x3FFFFF)]
        sound = file[SKY_HEADER:]
        if sound[:4] == propack.MARK:
            sound = propack.unpack(sound)
        pcm = np.frombuffer(sound, np.uint8).astype(np.float32) / 128.0 - 1.0
        yield Recording(f"sky {number}", to_mono(torch.from_numpy(pcm), SKY_RATE).numpy())
