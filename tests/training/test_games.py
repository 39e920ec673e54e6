from __future__ import annotations

import io
import struct
from pathlib import Path

import av
import numpy as np
import pytest
from synchrorama.training.games import said_in, speaker_of
from synchrorama.training.propack import MARK, unpack


def mp3(tone: np.ndarray, rate: int) -> bytes:
    out = io.BytesIO()
    with av.open(out, "w", format="mp3") as file:
        stream = file.add_stream("mp3", rate=rate)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(tone[None].astype(np.float32), "fltp", "mono")
        frame.sample_rate = rate
        for packet in (*stream.encode(frame), *stream.encode(None)):
            file.mux(packet)
    return out.getvalue()


def queen(path: Path, files: dict[str, bytes]) -> Path:
    table, offset = b"", 15 + 21 * len(files)
    for name, content in files.items():
        table += name.encode().ljust(12, b"\0") + b"\1" + struct.pack(">II", offset, len(content))
        offset += len(content)
    head = b"QTBLCEM10\0\0\0\1" + struct.pack(">H", len(files))
    path.write_bytes(head + table + b"".join(files.values()))
    return path


def sky(path: Path, files: dict[int, bytes]) -> Path:
    table, data = struct.pack("<I", len(files)), b""
    for number, content in files.items():
        data += bytes(-len(data) % 16)
        place = 1 << 23 | len(data) >> 4
        table += struct.pack("<H", number) + place.to_bytes(3, "little")
        table += len(content).to_bytes(3, "little")
        data += content
    path.write_bytes(table)
    path.with_name("sky.dsk").write_bytes(data)
    return path


class Packer:
    """Words of bits with plain bytes between them, as ProPack lays them."""

    def __init__(self) -> None:
        self.out = bytearray()
        self.slot, self.held, self.count = 0, 0, 16

    def put(self, value: int, bits: int) -> None:
        for k in range(bits):
            if self.count == 16:
                self.slot, self.held, self.count = len(self.out), 0, 0
                self.out += bytes(2)
            self.held |= (value >> k & 1) << self.count
            self.count += 1
            self.out[self.slot : self.slot + 2] = self.held.to_bytes(2, "little")

    def table(self, only: int) -> None:
        """A code of one bit, 0, for one value."""
        self.put(only + 1, 5)
        for value in range(only + 1):
            self.put(int(value == only), 4)

    def number(self, value: int) -> None:
        """That one value, then the bits after the leading one."""
        size = value.bit_length() - 1
        self.put(0, 1)
        self.put(value & (1 << size) - 1, size)


def packed(start: bytes, back: int, length: int, end: bytes) -> bytes:
    """Start, a match that many bytes back, end; all sizes between 4 and 7 but the offset's."""
    packer = Packer()
    packer.put(0, 2)
    for size in (len(start), back - 1, length - 2):
        packer.table(size.bit_length())
    packer.put(2, 16)
    packer.number(len(start))
    packer.out += start
    packer.number(back - 1)
    packer.number(length - 2)
    packer.number(len(end))
    packer.out += end
    sizes = struct.pack(">II", len(start) + length + len(end), len(packer.out))
    return MARK + sizes + bytes(5) + b"\1" + bytes(packer.out) + bytes(2)


def tone(rate: int) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * 300.0 * np.arange(rate) / rate)


def pitch(samples: np.ndarray) -> float:
    loud = samples[4000:12000]
    return float(np.abs(np.fft.rfft(loud)).argmax() * 16000 / len(loud))


def test_what_is_said_in_amazon_queen_is_read(tmp_path: Path) -> None:
    sound = mp3(tone(11025), 11025)
    (said,) = said_in(queen(tmp_path / "queen.1c", {"AKEY.RL": b"xyz", "020001P2.SB": sound}))
    assert said.speaker == "talk 02"
    assert 16000 <= len(said.samples) < 16000 * 1.2  # an encoder adds a little silence
    assert pitch(said.samples) == pytest.approx(300.0, abs=3.0)


def test_what_is_said_in_steel_sky_is_read(tmp_path: Path) -> None:
    pcm = bytes((128 + 127 * tone(11025)).astype(np.uint8))
    short = packed(b"\x80\x90\xa0\x90", 4, 7, b"\x80\x90\xa0\x90\x80")
    files = {7: b"room", 50012: bytes(22) + pcm, 50013: bytes(22) + short, 60001: b"picture"}
    long, few = said_in(sky(tmp_path / "sky.dnr", files))
    assert (long.speaker, few.speaker) == ("sky 50012", "sky 50013")
    assert len(long.samples) == 16000
    assert pitch(long.samples) == pytest.approx(300.0, abs=3.0)
    assert len(few.samples) == -(-16 * 640 // 441)
    assert few.samples[2:20].mean() == pytest.approx(0.12, abs=0.03)


def test_packed_bytes_are_unpacked() -> None:
    assert unpack(packed(b"abcd", 3, 7, b"1234")) == b"abcd" + b"bcdbcdb" + b"1234"


@pytest.mark.parametrize("harm", [lambda x: b"RNC\2" + x[4:], lambda x: x[:21], lambda x: x[:-4]])
def test_harmed_bytes_are_refused(harm) -> None:
    with pytest.raises(ValueError, match="packed|codes"):
        unpack(harm(packed(b"abcd", 3, 7, b"1234")))


def test_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "queen.1"
    path.write_bytes(b"RIFF" + bytes(100))
    with pytest.raises(ValueError, match="queen.1c"):
        list(said_in(path))
    alone = tmp_path / "sky.dnr"
    alone.write_bytes(bytes(4))
    with pytest.raises(ValueError, match="sky.dsk"):
        list(said_in(alone))


@pytest.mark.parametrize(
    ("name", "speaker"),
    [("JOE01152", "joe"), ("020006J1", "joe"), ("D020006P1", "talk 02"), ("C70D_232", "C70D_232")],
)
def test_the_name_of_a_file_tells_who_speaks(name: str, speaker: str) -> None:
    assert speaker_of(name) == speaker
