from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file
from synchrorama.models.emotion.fusion import TINY, EmotionFusion
from synchrorama.training.emotion_fusion import loss_of_direction, loss_of_pairs
from synchrorama.training.emotion_pairs import (
    NEUTRAL,
    SHARED,
    SURPRISED,
    Bank,
    harden,
    joined,
    pairs,
    read_banks,
    simulated_banks,
    surprises,
)


@pytest.fixture(scope="module")
def banks():
    return simulated_banks(400, torch.Generator().manual_seed(0))


def test_ten_steps_lower_the_loss(banks):
    torch.random.default_generator.manual_seed(0)
    model, chance = EmotionFusion(TINY), torch.Generator().manual_seed(1)
    batch = pairs(banks, 128, 0.6, chance)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(11):
        direction = loss_of_direction(model, 64, torch.Generator().manual_seed(2))
        loss = loss_of_pairs(model, batch) + direction
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] * 0.8


def test_pairs_have_the_labels_that_they_say(banks):
    chance = torch.Generator().manual_seed(0)
    same, mixed = pairs(banks, 200, 1.0, chance), pairs(banks, 200, 0.0, chance)
    assert torch.equal(same.read, same.heard)
    assert not (mixed.read == mixed.heard).any()
    assert set(mixed.read.tolist()) <= set(SHARED)
    text, first = banks["text"], same.scores[0, 0]
    index = (text.scores == first).all(1).nonzero()[0, 0]
    assert text.label[index] == same.read[0]
    assert torch.equal(same.weight[0], torch.tensor([1.0, 1.0, 1.0, 0.0]))


def test_each_clip_is_drawn_as_often_as_the_others():
    """However many moments a recording has."""
    long, short = 30, 2
    clip = torch.tensor([5] * long + [7] * short + [9])
    label = torch.tensor([3] * (long + short) + [0])
    told = torch.arange(len(clip), dtype=torch.float32)
    bank = Bank(told[:, None].expand(-1, 8), told[:, None].expand(-1, 2), told, label, clip)
    chance = torch.Generator().manual_seed(0)
    clips = bank.draw(torch.full((2000,), 3), chance)
    assert set(clips.tolist()) == {0, 1}
    assert 0.4 < clips.float().mean() < 0.6
    moments = bank.moment(clips, chance)
    assert torch.equal(clip[moments] == 7, clips == 1)
    assert set(moments.tolist()) == set(range(long + short))
    assert bank.draw(torch.tensor([0]), chance).tolist() == [2]


def test_surprise_teaches_nothing_about_contradictions(banks):
    chance = torch.Generator().manual_seed(0)
    batch = joined(pairs(banks, 30, 0.5, chance), surprises(banks, 20, chance))
    assert (batch.read[30:] == SURPRISED).all()
    assert batch.judged().tolist() == [True] * 30 + [False] * 20
    batch.weight[:, 1:3] = 0.0  # without a voice there is nothing to contradict
    assert batch.judged().all()


def test_targets_follow_weight_and_confidence(banks):
    batch = pairs(banks, 50, 0.0, torch.Generator().manual_seed(0))
    target, agree = batch.target()
    assert not agree.any()
    assert torch.allclose(target[torch.arange(50), batch.read], torch.full((50,), 0.5))
    batch.weight[:, 0] = 0.0
    target, agree = batch.target()
    assert agree.all()
    assert torch.equal(target.argmax(1), batch.heard)
    batch.confidence.zero_()
    assert torch.equal(batch.target()[0], torch.eye(8)[NEUTRAL].expand(50, 8))


def test_modalities_are_dropped_in_training(banks):
    chance = torch.Generator().manual_seed(0)
    hard = harden(pairs(banks, 2000, 0.5, chance), chance)
    missing = (hard.weight[:, :3] == 0).float().mean()
    assert 0.25 < missing < 0.35
    assert (hard.weight[:, 3] == 0).all()
    assert ((hard.confidence < 0.05) & (hard.scores[..., NEUTRAL] > 0.999)).float().mean() > 0.05


def test_banks_are_read_back(banks, tmp_path):
    path = tmp_path / "banks.safetensors"
    save_file(
        {
            f"{kind}.{name}": v.clone()
            for kind, bank in banks.items()
            for name, v in vars(bank).items()
        },
        path,
    )
    back = read_banks(path)
    for kind, bank in banks.items():
        assert all(torch.equal(v, getattr(back[kind], name)) for name, v in vars(bank).items())
