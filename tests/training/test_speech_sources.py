from __future__ import annotations

import random
import shutil
from pathlib import Path

import numpy as np
import pytest
from synchrorama.training import kokoro
from synchrorama.training.align import named
from synchrorama.training.augment import augment, dull, stretch
from synchrorama.training.phones import ALPHABET, Phone
from synchrorama.training.sentences import german_text, natural_text, put_together, read_texts
from synchrorama.training.voices import flite


class Placed:
    """Stands for the aligner: every phone lasts a tenth of a second, after 0.2 s of silence."""

    def __init__(self, late: float = 0.0, *, lose: bool = False) -> None:
        self.late, self.lose = late, lose

    def align(
        self, samples: np.ndarray, words: list[list[str]]
    ) -> list[tuple[str, float, float]] | None:
        names = [name for word in words for name in word][: -1 if self.lose else None]
        starts = [0.2 + 0.1 * i + self.late for i in range(len(names))]
        return [
            ("SIL", 0.0, 0.2),
            *((n, s, s + 0.1) for n, s in zip(names, starts, strict=True)),
        ]


def spoken() -> kokoro.Spoken:
    """ "my bird" with 4 frames (0.1 s) for each phone, late as the network's times are."""
    frames = [11, 4, 4, 0, 4, 0, 4, 0, 4, 4]  # ˈ and the space take no time, ɹ is half of ɝ
    letters = "mI bˈɜɹd"
    assert len(letters) == len(frames) - 2
    return kokoro.Spoken(np.zeros(24000, dtype=np.float32), letters, frames, "1.00")


def test_espeak_letters_become_those_of_the_network() -> None:
    assert kokoro.respell("plˈiːz  bˈaɪ mˈeɪbiː, dʒˈɔɪ tʃˈɜːtʃ") == "plˈiz bˈI mˈAbi, ʤˈY ʧˈɜɹʧ"


def test_german_letters_keep_their_vowels() -> None:
    said = kokoro.respell("ʃˈøːnə bˈyːçɜ hˈɔøtə bɾˈɪŋ", german=True)
    assert said == "ʃˈønə bˈyçɐ hˈYtə bʁˈɪŋ"


def test_words_are_without_stress_and_punctuation() -> None:
    assert kokoro.words_of("mI bˈɜɹd, bˈʌTəɹ!") == ["mI", "bɝd", "bʌTɝ"]


def test_what_is_placed_has_known_phones() -> None:
    said = kokoro.utterance(spoken(), Placed())  # type: ignore[arg-type]
    assert said is not None
    assert said.sample_rate == 16000
    assert len(said.samples) == 16000
    assert [p.name for p in said.phones] == ["m", "a", "I", "b", "rel", "3", "d", "rel"]
    assert said.phones[0].start == pytest.approx(0.2)
    assert {p.name for p in said.phones} <= ALPHABET


def test_what_cannot_be_placed_for_sure_is_left_out() -> None:
    assert kokoro.utterance(spoken(), Placed(0.08)) is None  # type: ignore[arg-type]
    assert kokoro.utterance(spoken(), Placed(lose=True)) is None  # type: ignore[arg-type]


def test_an_alignment_is_named_in_our_alphabet() -> None:
    assert named([("SIL", 0.0, 0.1), ("ER", 0.1, 0.2)]) == [
        Phone("sil", 0.0, 0.1), Phone("3", 0.1, 0.2)
    ]  # fmt: skip


@pytest.mark.skipif(shutil.which("flite") is None, reason="needs flite")
def test_the_aligner_agrees_with_a_voice_that_knows_its_times() -> None:
    pytest.importorskip("pocketsphinx")
    from synchrorama.training.align import Aligner

    said = flite("Please bring my bag.", "slt")
    assert said is not None
    words = [["P", "L", "IY", "Z"], ["B", "R", "IH", "NG"], ["M", "AY"], ["B", "AE", "G"]]
    aligned = Aligner().align(said.samples, words)
    assert aligned is not None
    found = [p for p in named(aligned) if p.name not in ("sil", "rel")]
    known = [p for p in said.phones if p.name not in ("sil", "rel")]
    assert [p.name for p in found] == [p.name for p in known]
    apart = [abs(a.start - b.start) for a, b in zip(found, known, strict=True)]
    assert float(np.median(apart)) < 0.025


def test_german_texts_differ_and_are_whole() -> None:
    made = [german_text([], random.Random(seed)) for seed in range(30)]
    assert len(set(made)) > 25
    assert all(text[-1] in ".!?" and "|" not in text for text in made)


def test_built_sentences_differ_and_are_whole() -> None:
    chance = random.Random(0)
    made = [put_together(chance) for _ in range(200)]
    assert len(set(made)) > 195
    assert all(text[-1] in ".?" and "|" not in text and "\n" not in text for text in made)


def test_only_texts_that_are_easy_to_say_are_read(tmp_path: Path) -> None:
    easy = "My brother may move to the village before May."
    hard = ["Look at www.example.com, my friend, it is fine!", "WHY would he move to the village?"]
    lines = [easy] * 8 + hard + ["My brother may move to the obnubilated village."]
    path = tmp_path / "texts.tsv"
    path.write_text("".join(f"{line}\t27\tx\n" for line in lines), encoding="utf-8")
    assert read_texts(path) == [easy] * 8
    assert natural_text([], random.Random(0))


@pytest.mark.parametrize("factor", [0.75, 1.0, 1.3])
def test_stretching_keeps_the_pitch_and_moves_the_phones(factor: float) -> None:
    tone = np.sin(2 * np.pi * 220.0 * np.arange(32000) / 16000).astype(np.float32)
    out, phones = stretch(tone, [Phone("a", 0.5, 1.0)], factor)
    assert len(out) == int(32000 / factor)
    assert phones == [Phone("a", 0.5 / factor, 1.0 / factor)]
    spectrum = np.abs(np.fft.rfft(out * np.hanning(len(out))))
    assert abs(int(spectrum.argmax()) * 16000 / len(out) - 220.0) < 1.0
    assert np.sqrt((out**2).mean()) == pytest.approx(0.707, abs=0.02)


def test_a_stretched_click_is_where_its_phone_is() -> None:
    sound = np.zeros(32000, dtype=np.float32)
    sound[16000:16400] = np.random.default_rng(0).standard_normal(400)
    out, phones = stretch(sound, [Phone("t", 1.0, 1.025)], 1.25)
    loudest = int(np.convolve(out**2, np.ones(400), mode="same").argmax()) / 16000
    assert abs(loudest - (phones[0].start + phones[0].end) / 2) < 0.02


def test_augmented_speech_is_finite_and_as_long_as_its_phones() -> None:
    sound = np.random.default_rng(0).standard_normal(16000).astype(np.float32) * 0.1
    for seed in range(20):
        out, phones = augment(sound, [Phone("a", 0.0, 1.0)], np.random.default_rng(seed))
        assert np.isfinite(out).all()
        assert out.dtype == np.float32
        assert phones[-1].end == pytest.approx(len(out) / 16000, abs=0.01)


def test_dull_speech_keeps_its_low_tones_and_its_peak() -> None:
    times = np.arange(16000) / 16000
    sound = np.sin(2 * np.pi * 200 * times) + np.sin(2 * np.pi * 2000 * times)
    out = dull(sound.astype(np.float32), 12.0)
    spectrum = np.abs(np.fft.rfft(out))
    assert 20 * np.log10(spectrum[2000] / spectrum[200]) == pytest.approx(-12.0, abs=0.1)
    assert np.abs(out).max() == pytest.approx(np.abs(sound).max(), rel=1e-3)
