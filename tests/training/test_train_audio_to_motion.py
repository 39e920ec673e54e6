from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from synchrorama.models.motion.audio_to_motion import TINY, AudioToMotion
from synchrorama.models.motion.gestures import Gestures
from synchrorama.training import augment as rooms
from synchrorama.training.audio_to_motion import join, mean_of
from synchrorama.training.phones import Phone
from synchrorama.training.sentences import LANGUAGES, text_for
from synchrorama.training.speech_data import (
    TEST_SENTENCES,
    TEST_SPEAKERS,
    Labelled,
    emodb_utterances,
    read,
    write,
)
from synchrorama.training.voices import Utterance


def spoken(seconds: float = 2.0) -> Labelled:
    """A buzz for each vowel, a soft hum for each m."""
    chance = np.random.default_rng(0)
    samples, phones = [], []
    for i in range(int(seconds / 0.2)):
        hum = np.sin(np.arange(1600) * 0.08) * 0.05
        buzz = chance.standard_normal(1600) * 0.3
        samples += [hum, buzz]
        phones += [Phone("m", 0.2 * i, 0.2 * i + 0.1), Phone("a", 0.2 * i + 0.1, 0.2 * i + 0.2)]
    sound = np.concatenate(samples).astype(np.float32)
    return Labelled("espeak-ng", "x", "", Utterance(sound / np.abs(sound).max(), 16000, phones))


def test_speed_moves_the_phones_with_the_sound() -> None:
    item = spoken()
    samples, phones = rooms.change_speed(item.utterance.samples, item.utterance.phones, 1.25)
    assert len(samples) == len(item.utterance.samples) * 4 // 5
    assert phones[3].start == pytest.approx(0.3 / 1.25)


def test_noise_has_the_level_asked_for() -> None:
    clean = spoken().utterance.samples
    noisy = rooms.noise(clean, 10.0, np.random.default_rng(0))
    assert 10 * np.log10((clean**2).mean() / ((noisy - clean) ** 2).mean()) == pytest.approx(10.0)


def test_a_telephone_takes_high_and_low_away() -> None:
    chance = np.random.default_rng(0)
    power = np.abs(np.fft.rfft(rooms.telephone(chance.standard_normal(16000, np.float32)))) ** 2
    assert power[:150].mean() < 1e-6 * power[1000:3000].mean()
    assert power[4000:].mean() < 1e-6 * power[1000:3000].mean()


def test_rooms_companding_and_colour_keep_length_and_time() -> None:
    chance = np.random.default_rng(0)
    click = np.zeros(1601, dtype=np.float32)
    click[800] = 1.0
    for change in (lambda x: rooms.room(x, 0.3, chance), rooms.companded,
                   lambda x: rooms.colour(x, chance)):  # fmt: skip
        out = change(click)
        assert len(out) == 1601
        assert abs(int(np.abs(out).argmax()) - 800) <= 1


def test_data_round_trip(tmp_path: Path) -> None:
    item = spoken(1.0)
    assert write(iter([item, item]), tmp_path)["espeak-ng"] > 0.0
    again = read(tmp_path)
    assert len(again) == 2
    assert np.abs(again[1].utterance.samples - item.utterance.samples).max() < 1e-4
    assert again[1].utterance.phones[2].name == "m"


def test_the_test_part_of_emodb_stays_out(tmp_path: Path) -> None:
    import soundfile

    (tmp_path / "wav").mkdir()
    (tmp_path / "phones").mkdir()
    for name in ("03a01Fa", "03b09Fa", "08b10Na", "13a01Na", "14b09Wa"):
        sound = np.append(np.full(8000, 0.1), np.zeros(8000))
        soundfile.write(tmp_path / "wav" / f"{name}.flac", sound, 16000)
        label = "signal x\n#\n 0.1 -1 a\n 0.3 -1 .\n 0.8 -1 m\n"
        (tmp_path / "phones" / f"{name}.lablaut").write_text(label, encoding="latin-1")
    train = list(emodb_utterances(tmp_path))
    assert [(u.speaker, u.sentence) for u in train] == [("03", "a01")]
    assert [p.name for p in train[0].utterance.phones] == ["sil", "a", "sil"]
    test = list(emodb_utterances(tmp_path, test=True))
    assert {u.speaker for u in test} == set(TEST_SPEAKERS)
    assert TEST_SENTENCES == ("b09", "b10")


def test_every_language_has_something_to_say() -> None:
    import random

    for language in LANGUAGES:
        texts = {text_for(language, random.Random(i)) for i in range(20)}
        assert len(texts) > 10
        assert all(10 < len(t) < 300 for t in texts)


def test_parts_are_joined_into_the_file_that_ships(tmp_path: Path) -> None:
    model = AudioToMotion(TINY)
    out = tmp_path / "joined.safetensors"
    face = Gestures(TINY.gestures, learns=True)
    join(model.articulation.state_dict(), face.state_dict(), TINY, out)
    again = AudioToMotion.from_checkpoint(out)
    assert again.config == TINY
    assert again.gestures.posterior is None
    for name, tensor in again.articulation.state_dict().items():
        assert torch.allclose(tensor, model.articulation.state_dict()[name], atol=1e-3)
    other = dict(model.articulation.state_dict())
    del other["norm.weight"]
    with pytest.raises(RuntimeError, match="norm.weight"):
        join(other, face.state_dict(), TINY, out)


def test_several_networks_become_one_by_their_mean() -> None:
    one, other = {"a": torch.tensor([1.0, 2.0])}, {"a": torch.tensor([3.0, 6.0]).half()}
    assert mean_of([one, other])["a"].tolist() == [2.0, 4.0]
    assert mean_of([one])["a"].tolist() == [1.0, 2.0]
    with pytest.raises(ValueError, match="different sizes"):
        mean_of([one, {"a": torch.zeros(3)}])
    with pytest.raises(ValueError, match="different sizes"):
        mean_of([one, {"b": torch.zeros(2)}])
