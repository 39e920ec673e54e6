from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from synchrorama.models.motion.articulation import Articulation, ArticulationConfig
from synchrorama.training import background
from synchrorama.training.articulation import (
    CROP,
    LOSSES,
    Example,
    Lesson,
    another_voice,
    crop,
    example,
    examples,
    grow,
    piece,
    stacked,
    train,
)
from synchrorama.training.phones import Phone
from synchrorama.training.speech_data import Labelled
from synchrorama.training.sync import SyncJudge
from synchrorama.training.voices import Utterance

TINY = ArticulationConfig(width=8, dilations=(1, 2))


def spoken(seconds: float = 2.0, source: str = "espeak-ng") -> Labelled:
    """A buzz for each vowel, a soft hum for each m."""
    chance = np.random.default_rng(0)
    samples, phones = [], []
    for i in range(int(seconds / 0.2)):
        hum = np.sin(np.arange(1600) * 0.08) * 0.05
        buzz = chance.standard_normal(1600) * 0.3
        samples += [hum, buzz]
        phones += [Phone("m", 0.2 * i, 0.2 * i + 0.1), Phone("a", 0.2 * i + 0.1, 0.2 * i + 0.2)]
    sound = np.concatenate(samples).astype(np.float32)
    return Labelled(source, "x", "", Utterance(sound / np.abs(sound).max(), 16000, phones))


def padded(item: Example) -> Example:
    return crop(item, np.random.default_rng(4))


@pytest.mark.parametrize("without", [(), LOSSES])
def test_ten_steps_lower_the_loss(without: tuple[str, ...]) -> None:
    with torch.random.fork_rng():
        torch.random.default_generator.manual_seed(0)
        lesson = Lesson(TINY)
    item = padded(example(spoken().utterance.samples, spoken().utterance.phones))
    optimizer = torch.optim.AdamW(lesson.parameters(), lr=1e-2)
    losses = []
    for _ in range(11):
        loss = lesson(stacked([item, item]), frozenset(without))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.9 * losses[0]


def test_examples_are_of_one_length() -> None:
    data = [spoken(2.0), spoken(8.0, "emodb")]
    chance = np.random.default_rng(1)
    for item in examples(data, 12, chance):
        assert item.mel.shape[0] == item.target.shape[0]
        cut = crop(item, chance)
        assert cut.mel.shape == (CROP, 80)
        assert cut.target.shape == (CROP, 11)
        assert cut.sound.shape == (CROP,)
        assert float(cut.target.min()) >= 0.0
        assert float(cut.target.max()) <= 1.0


def test_a_piece_keeps_its_phones_in_place() -> None:
    item = spoken(10.0)
    samples, phones = piece(item, np.random.default_rng(2))
    loud = [np.abs(samples[int(p.start * 16000) + 80 : int(p.end * 16000) - 80]).mean() for p in
            phones if p.end - p.start > 0.05]  # fmt: skip
    vowels = [p.name == "a" for p in phones if p.end - p.start > 0.05]
    assert all((level > 0.1) == vowel for level, vowel in zip(loud, vowels, strict=True))


def test_another_voice_stays_in_range_and_changes_nothing_in_place() -> None:
    mel = torch.rand(60, 80, generator=torch.Generator().manual_seed(0)) * 3.0 - 2.0
    kept = mel.clone()
    for seed in range(20):
        out = another_voice(mel, np.random.default_rng(seed))
        assert out.shape == mel.shape
        assert -2.0 <= float(out.min()) and float(out.max()) <= 3.0
    assert torch.equal(mel, kept)


@pytest.mark.parametrize("make", ["music", "breath", "clicks", "hum"])
def test_backgrounds_sound_and_nobody_speaks(make: str) -> None:
    sound = getattr(background, make)(16000, np.random.default_rng(3))
    assert sound.shape == (16000,) and sound.dtype == np.float32
    assert np.isfinite(sound).all() and np.abs(sound).max() > 1e-3
    item = example(background.background(16000, np.random.default_rng(3)), [])
    assert not item.target.any()


@pytest.mark.parametrize(("width", "dilations"), [(8, (1, 2, 4)), (16, (1, 2)), (16, (1, 2, 4))])
def test_a_grown_network_begins_as_the_small_one(width: int, dilations: tuple[int, ...]) -> None:
    with torch.random.fork_rng():
        torch.random.default_generator.manual_seed(1)
        small = Articulation(TINY)
        large = Articulation(ArticulationConfig(width=width, dilations=dilations))
    grow(large, small.state_dict(), torch.Generator().manual_seed(2))
    mel = torch.rand(1, 40, 80, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(large.logits(mel), small.logits(mel), atol=1e-5)
    with pytest.raises(ValueError, match="no shallower network"):
        grow(Articulation(TINY), large.state_dict(), torch.Generator())


def test_the_judge_prefers_the_right_moment_and_is_held_fast_for_predictions() -> None:
    chance = torch.Generator().manual_seed(0)
    moves = torch.rand(4, 11, 20, generator=chance)
    mouth = torch.nn.functional.interpolate(moves, 160, mode="linear").transpose(1, 2)
    mel = torch.cat([mouth, torch.zeros(4, 160, 69)], 2)
    with torch.random.fork_rng():
        torch.random.default_generator.manual_seed(0)
        judge = SyncJudge(16)
    optimizer = torch.optim.AdamW(judge.parameters(), lr=1e-2)
    for _ in range(150):
        loss = judge(mel, mouth)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    late = mouth.roll(40, 1)
    assert float(judge(mel, mouth).detach()) < 0.5 * float(judge(mel, late).detach())
    optimizer.zero_grad()
    moved = late.clone().requires_grad_()
    judge(mel, moved, fixed=True).backward()
    assert moved.grad is not None and moved.grad.abs().max() > 0
    assert all(p.grad is None for p in judge.parameters())


def test_training_goes_on_where_it_stopped(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    state = tmp_path / "x.state"
    with torch.random.fork_rng():
        (first,) = train([spoken(4.0)], steps=2, state=state, batch=2, config=TINY)
        before = {k: v.clone() for k, v in first.state_dict().items()}
        (again,) = train([spoken(4.0)], steps=3, state=state, resume=True, batch=2, config=TINY)
    assert "step 3/3" in capsys.readouterr().out
    moved = max(float((v - before[k]).abs().max()) for k, v in again.state_dict().items())
    assert 0.0 < moved < 0.02
