from __future__ import annotations

import numpy as np
import pytest
import soundfile
import torch
from synchrorama.models.emotion.speech_emotion import CLASSES, TINY, read_out
from synchrorama.training import speech_examples
from synchrorama.training.speech_emotion import (
    Recipe,
    best_temperature,
    confusion,
    loss_of,
    points,
    recall,
    said_by,
    train,
    training_index,
    weights_of,
)
from synchrorama.training.speech_examples import (
    LETTERS,
    Examples,
    another,
    load,
    make_cache,
    muffled,
    read_cache,
    window,
)


def examples(count: int = 42) -> Examples:
    """Each class has its own statistics and its own course."""
    generator = torch.Generator().manual_seed(0)
    label = torch.arange(count) % 7
    speaker = np.array(["03", "08", "13"])[np.arange(count) % 3]
    statistics = torch.randn(count, 93, generator=generator) * 0.1
    statistics[torch.arange(count), label] += 1.0
    course = torch.randn(count, 200, 46, generator=generator) * 0.1
    course[torch.arange(count), :, label + 23] += 1.0
    return Examples(
        np.array([f"r{i}" for i in range(count)]),
        speaker,
        np.array(["0"] * count),
        label,
        statistics,
        course.half(),
        torch.ones(count, 200, dtype=torch.bool),
    )


def test_a_few_steps_lower_the_loss() -> None:
    data = examples()
    index = np.arange(len(data.label))
    untrained = train(data, index, seed=0, config=TINY, recipe=Recipe(
        statistic_epochs=1, course_epochs=1, statistic_rate=1e-9, course_rate=1e-9))  # fmt: skip
    trained = train(data, index, seed=0, config=TINY, recipe=Recipe(
        statistic_epochs=30, course_epochs=20, statistic_rate=2e-2, course_rate=2e-2))  # fmt: skip
    weight = weights_of(data, index)
    for before, after in zip(
        said_by(untrained, data, index), said_by(trained, data, index), strict=True
    ):
        assert loss_of(after, data.label, weight) < 0.8 * loss_of(before, data.label, weight)


def test_test_speakers_never_train() -> None:
    data = examples()
    assert set(data.speaker[training_index(data)]) == {"03", "08"}
    assert set(data.speaker[training_index(data, without="08")]) == {"03"}


def test_recall_counts_classes_alike() -> None:
    said = torch.eye(7)[[0, 0, 0, 1]]
    label = torch.tensor([0, 0, 0, 2])
    assert recall(said, label) == pytest.approx(0.5)
    assert confusion(said, label)[2][1] == 1


def test_temperature_tames_what_is_too_sure() -> None:
    generator = torch.Generator().manual_seed(0)
    label = torch.randint(7, (4000,), generator=generator)
    said = torch.zeros(4000, 9)
    right = torch.rand(4000, generator=generator) < 0.6
    told = torch.where(right, label, (label + 1) % 7)
    said[torch.arange(4000), told] = 6.0
    temperature = best_temperature(said, label)
    sure = read_out(said, temperature)[0].amax(1).mean()
    assert float(sure) == pytest.approx(0.6, abs=0.08)


def test_boredom_is_calmer_than_neutral() -> None:
    names = [name for name, _ in CLASSES]
    table = points()
    assert table[names.index("boredom"), 1] < table[names.index("neutral"), 1]
    assert table[names.index("anger"), 1] > 0.0


def test_windows_and_versions_are_two_seconds_at_most() -> None:
    chance = np.random.default_rng(0)
    sound = chance.standard_normal(50000).astype(np.float32)
    assert len(window(sound)) == 32000
    for _ in range(10):
        assert len(another(sound, chance)) == 32000
    assert len(another(sound[:8000], chance)) < 12000
    mel = torch.zeros(50, 80)
    versions = [muffled(mel, chance, torch.Generator().manual_seed(i)) for i in range(20)]
    assert any(float(one.min()) == -2.0 for one in versions)


def test_cache_round_trip_and_padding_is_cut(tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(speech_examples, "synthetic_speech", lambda chance: [])
    monkeypatch.setattr(speech_examples, "VERSIONS", 3)
    (tmp_path / "wav").mkdir()
    chance = np.random.default_rng(0)
    for name in ("03a01Wa", "13a01Na", "14a02Fb"):
        sound = np.append(0.1 * chance.standard_normal(16000), np.zeros(9000))
        soundfile.write(tmp_path / "wav" / f"{name}.flac", sound, 16000)
    assert len(load(tmp_path / "wav" / "03a01Wa.flac")) <= 16000
    make_cache(tmp_path, tmp_path / "cache.npz")
    data = read_cache(tmp_path / "cache.npz")
    assert list(data.version[data.speaker == "03"]) == ["0", "noise", "telephone", "1", "2"]
    assert list(data.version[data.speaker == "13"]) == ["0", "noise", "telephone"]
    assert data.label.tolist()[0] == LETTERS.index("W")
    assert bool(data.statistics.isfinite().all())
    assert not bool(data.active[0, 100:].any())
