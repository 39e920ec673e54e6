from __future__ import annotations

import io
import struct
from pathlib import Path

import av
import numpy as np
import pytest
from synchrorama.training.recordings import amazon_queen, placed_in, speaker_of
from synchrorama.training.transcribe import Heard


class Placed:
    """Stands for the aligner: phones of the same length from 0.1 s on."""

    def __init__(self, each: float) -> None:
        self.each = each

    def align_words(
        self, samples: np.ndarray, words: list[str]
    ) -> list[tuple[str, float, float]] | None:
        if words != ["my", "boy"]:
            return None
        ends = [0.1 + self.each * i for i in range(5)]
        said = zip(("M", "AY", "B", "OY"), ends, ends[1:], strict=False)
        return [("SIL", 0.0, 0.1), *((n, start, end) for n, start, end in said)]


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


def game(path: Path, files: dict[str, bytes]) -> Path:
    table, offset = b"", 15 + 21 * len(files)
    for name, content in files.items():
        table += name.encode().ljust(12, b"\0") + b"\1" + struct.pack(">II", offset, len(content))
        offset += len(content)
    head = b"QTBLCEM10\0\0\0\1" + struct.pack(">H", len(files))
    path.write_bytes(head + table + b"".join(files.values()))
    return path


def test_what_is_said_in_the_game_is_read(tmp_path: Path) -> None:
    tone = 0.5 * np.sin(2 * np.pi * 300.0 * np.arange(11025) / 11025)
    path = game(tmp_path / "queen.1c", {"AKEY.RL": b"xyz", "020001P2.SB": mp3(tone, 11025)})
    (said,) = amazon_queen(path)
    assert said.speaker == "talk 02"
    assert 16000 <= len(said.samples) < 16000 * 1.2  # an encoder adds a little silence
    loud = said.samples[4000:12000]
    assert np.abs(np.fft.rfft(loud)).argmax() * 16000 / len(loud) == pytest.approx(300.0, abs=3.0)


def test_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "queen.1"
    path.write_bytes(b"RIFF" + bytes(100))
    with pytest.raises(ValueError, match="queen.1c"):
        list(amazon_queen(path))


@pytest.mark.parametrize(
    ("name", "speaker"),
    [("JOE01152", "joe"), ("020006J1", "joe"), ("D020006P1", "talk 02"), ("C70D_232", "C70D_232")],
)
def test_the_name_of_a_file_tells_who_speaks(name: str, speaker: str) -> None:
    assert speaker_of(name) == speaker


def test_phones_are_placed_where_the_aligner_is_sure() -> None:
    sound = np.zeros(16000, np.float32)
    said = placed_in(sound, "My boy!", Placed(0.1))  # type: ignore[arg-type]
    assert said is not None
    assert [p.name for p in said.phones if p.name != "sil"] == [
        "m", "a", "I", "b", "rel", "O", "I"
    ]  # fmt: skip
    for text, each in (("My boy!", 0.03), ("My boy!", 0.3), ("My toy", 0.1), ("My boy 2", 0.1)):
        assert placed_in(sound, text, Placed(each)) is None  # type: ignore[arg-type]


def test_a_transcript_is_trusted_when_it_is_probable_and_no_loop() -> None:
    assert Heard("It is so.", -0.3, 0.1).sure
    assert not Heard("It is so.", -0.9, 0.1).sure
    assert not Heard("It is so.", -0.3, 0.7).sure
    assert not Heard("Certainly... " * 20, -0.1, 0.1).sure
    assert not Heard("", 0.0, 0.0).sure
